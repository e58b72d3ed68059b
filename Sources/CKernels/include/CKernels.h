#pragma once
#include "sana_convert.h"
#include "sana_cpu.h"
#include "sana_kernels.h"
