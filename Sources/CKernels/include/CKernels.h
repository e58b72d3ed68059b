#pragma once
#include "sana_cpu.h"
