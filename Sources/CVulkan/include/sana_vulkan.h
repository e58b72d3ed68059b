// Vulkan, opened when a program asks for it: no program links to it, and one that finds none goes
// on without. Plain structures in place of Vulkan's chained ones; decisions are the caller's.
//
// Functions that return int32_t return a VkResult: 0 for success, negative for errors.
#ifndef SANA_VULKAN_H
#define SANA_VULKAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SANA_VULKAN_NAME = 256, SANA_VULKAN_MEMORY_TYPES = 32, SANA_VULKAN_HEAPS = 16 };

// A VkResult that Vulkan does not use: no loader was found.
enum { SANA_VULKAN_NO_LOADER = -2000000000 };

// The loader and an instance.
typedef struct sana_vulkan sana_vulkan;

typedef struct {
  uint64_t bytes;
  // What this process may use and uses; 0 where the driver does not say.
  uint64_t budget, usage;
  bool device_local;
} sana_vulkan_heap;

typedef struct {
  uint32_t heap;
  bool device_local, host_visible, host_coherent, host_cached;
} sana_vulkan_memory_type;

// What a device and its driver say of themselves.
typedef struct {
  char name[SANA_VULKAN_NAME], driver_name[SANA_VULKAN_NAME], driver_info[SANA_VULKAN_NAME];
  uint32_t vendor, device, driver, driver_version, api_version;
  // VkPhysicalDeviceType
  uint32_t type;
  uint8_t pipeline_cache_uuid[16];
  uint32_t subgroup_size, least_subgroup_size, greatest_subgroup_size;
  uint32_t storage_range, push_constant_bytes, storage_buffers_per_stage, allocations;
  uint32_t shared_memory_bytes, workgroup_invocations, workgroup_count[3];
  uint64_t storage_alignment, allocation_bytes, buffer_bytes;
  float timestamp_period;
  uint32_t heap_count, memory_type_count;
  sana_vulkan_heap heaps[SANA_VULKAN_HEAPS];
  sana_vulkan_memory_type memory_types[SANA_VULKAN_MEMORY_TYPES];
  uint32_t compute_family, timestamp_bits;
  bool has_compute, has_budget, storage_16bit, storage_8bit, float16, int8;
  bool dot_product, dot_product_accelerated, cooperative_matrix, timeline_semaphores;
} sana_vulkan_facts;

// One shape of a cooperative matrix product at subgroup scope. Component types are those of
// VkComponentTypeKHR: 0 f16, 1 f32, 3 s8, 5 s32, 7 u8.
typedef struct {
  uint32_t m, n, k, a, b, c, result;
  bool saturating;
} sana_vulkan_shape;

// Opens the loader and makes an instance.
// library: the loader's file; the system's where NULL.
// validate: whether the Khronos layer looks on where it is installed.
int32_t sana_vulkan_open(const char *library, bool validate, sana_vulkan **opened);
void sana_vulkan_close(sana_vulkan *vulkan);
// How many messages the Khronos layer has had; -1 where it does not look on.
int32_t sana_vulkan_message_count(const sana_vulkan *vulkan);
// The first of them; empty where there is none.
const char *sana_vulkan_first_message(const sana_vulkan *vulkan);

uint32_t sana_vulkan_device_count(const sana_vulkan *vulkan);
void sana_vulkan_describe(const sana_vulkan *vulkan, uint32_t index, sana_vulkan_facts *facts);
// The shapes that a device with cooperative matrices multiplies, at most `capacity`. Some drivers
// crash here: ask those only whose answer is wanted.
uint32_t sana_vulkan_shapes(
    const sana_vulkan *vulkan, uint32_t index, sana_vulkan_shape *shapes, uint32_t capacity);

// A logical device with a queue that computes.
typedef struct sana_vulkan_device sana_vulkan_device;
typedef struct sana_vulkan_buffer sana_vulkan_buffer;
typedef struct sana_vulkan_pipeline sana_vulkan_pipeline;
typedef struct sana_vulkan_commands sana_vulkan_commands;

int32_t sana_vulkan_device_open(
    sana_vulkan *vulkan, uint32_t index, const sana_vulkan_facts *facts,
    sana_vulkan_device **opened);
void sana_vulkan_device_close(sana_vulkan_device *device);

// A buffer with memory of its own. Host-visible memory is mapped.
int32_t sana_vulkan_buffer_make(
    sana_vulkan_device *device, uint64_t bytes, uint32_t memory_type, bool mapped,
    sana_vulkan_buffer **made);
// Bytes that memory for a buffer of so many takes, and the types of memory it may be in, a bit
// each.
int32_t sana_vulkan_buffer_needs(
    sana_vulkan_device *device, uint64_t bytes, uint64_t *needed, uint32_t *types);
void *sana_vulkan_buffer_address(const sana_vulkan_buffer *buffer);
void sana_vulkan_buffer_free(sana_vulkan_buffer *buffer);

// A compute pipeline with `bindings` storage buffers, `push_bytes` of push constants, and
// specialization constants 0, 1, ... of 4 bytes each.
int32_t sana_vulkan_pipeline_make(
    sana_vulkan_device *device, const uint32_t *words, size_t word_count, uint32_t bindings,
    uint32_t push_bytes, const uint32_t *constants, uint32_t constant_count,
    sana_vulkan_pipeline **made);
void sana_vulkan_pipeline_free(sana_vulkan_pipeline *pipeline);

typedef struct {
  const sana_vulkan_buffer *buffer;
  uint64_t offset, bytes;
} sana_vulkan_window;

// A command buffer, recorded once and submitted again and again. Room for so many dispatches and
// bindings of all of them together.
int32_t sana_vulkan_commands_make(
    sana_vulkan_device *device, uint32_t dispatches, uint32_t bindings,
    sana_vulkan_commands **made);
void sana_vulkan_commands_free(sana_vulkan_commands *commands);
int32_t sana_vulkan_dispatch(
    sana_vulkan_commands *commands, const sana_vulkan_pipeline *pipeline,
    const sana_vulkan_window *windows, const uint32_t *push, const uint32_t groups[3]);
void sana_vulkan_copy(
    sana_vulkan_commands *commands, sana_vulkan_window from, sana_vulkan_window to);
// Everything before it is finished and visible to everything behind it, copies and the host too.
void sana_vulkan_barrier(sana_vulkan_commands *commands);
int32_t sana_vulkan_commands_end(sana_vulkan_commands *commands);
// Submits, and waits until all is done.
int32_t sana_vulkan_submit(sana_vulkan_commands *commands);

#endif
