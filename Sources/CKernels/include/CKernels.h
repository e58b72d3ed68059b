#pragma once
#include "sana_bitshuffle.h"
#include "sana_convert.h"
#include "sana_cpu.h"
#include "sana_hash.h"
#include "sana_kernels.h"
