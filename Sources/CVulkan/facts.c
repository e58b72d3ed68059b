#include <stdlib.h>
#include <string.h>

#include "vulkan.h"

bool sana_vulkan_has_extension(
    const sana_vulkan *vulkan, VkPhysicalDevice device, const char *extension) {
  uint32_t count = 0;
  if (vulkan->EnumerateDeviceExtensionProperties(device, NULL, &count, NULL) < 0 || !count)
    return false;
  VkExtensionProperties *extensions = calloc(count, sizeof *extensions);
  bool found = false;
  if (extensions &&
      vulkan->EnumerateDeviceExtensionProperties(device, NULL, &count, extensions) >= 0)
    for (uint32_t i = 0; i < count; i++) found |= !strcmp(extensions[i].extensionName, extension);
  free(extensions);
  return found;
}

static void describe_memory(
    const sana_vulkan *vulkan, VkPhysicalDevice device, sana_vulkan_facts *facts) {
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  facts->has_budget =
      sana_vulkan_has_extension(vulkan, device, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (facts->has_budget) memory.pNext = &budget;
  vulkan->GetPhysicalDeviceMemoryProperties2(device, &memory);
  const VkPhysicalDeviceMemoryProperties *said = &memory.memoryProperties;
  facts->heap_count = said->memoryHeapCount;
  for (uint32_t i = 0; i < said->memoryHeapCount; i++)
    facts->heaps[i] = (sana_vulkan_heap){
        .bytes = said->memoryHeaps[i].size,
        .budget = budget.heapBudget[i],
        .usage = budget.heapUsage[i],
        .device_local = said->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT,
    };
  facts->memory_type_count = said->memoryTypeCount;
  for (uint32_t i = 0; i < said->memoryTypeCount; i++) {
    VkMemoryPropertyFlags flags = said->memoryTypes[i].propertyFlags;
    facts->memory_types[i] = (sana_vulkan_memory_type){
        .heap = said->memoryTypes[i].heapIndex,
        .device_local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
        .host_visible = flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
        .host_coherent = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        .host_cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    };
  }
}

static void describe_queues(
    const sana_vulkan *vulkan, VkPhysicalDevice device, sana_vulkan_facts *facts) {
  VkQueueFamilyProperties families[32];
  uint32_t count = 32;
  vulkan->GetPhysicalDeviceQueueFamilyProperties(device, &count, families);
  for (uint32_t i = 0; i < count && !facts->has_compute; i++) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
    facts->has_compute = true;
    facts->compute_family = i;
    facts->timestamp_bits = families[i].timestampValidBits;
  }
}

void sana_vulkan_describe(const sana_vulkan *vulkan, uint32_t index, sana_vulkan_facts *facts) {
  VkPhysicalDevice device = vulkan->devices[index];
  memset(facts, 0, sizeof *facts);
  VkPhysicalDeviceProperties plain;
  vulkan->GetPhysicalDeviceProperties(device, &plain);
  facts->api_version = plain.apiVersion;
  bool is_1_3 = plain.apiVersion >= VK_API_VERSION_1_3 && vulkan->api_version >= VK_API_VERSION_1_3;

  VkPhysicalDeviceVulkan13Properties v13 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties v12 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES,
      .pNext = is_1_3 ? &v13 : NULL};
  VkPhysicalDeviceVulkan11Properties v11 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, .pNext = &v12};
  VkPhysicalDeviceProperties2 properties = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
      .pNext = plain.apiVersion >= VK_API_VERSION_1_2 ? &v11 : NULL};
  vulkan->GetPhysicalDeviceProperties2(device, &properties);
  const VkPhysicalDeviceLimits *limits = &properties.properties.limits;

  memcpy(facts->name, plain.deviceName, sizeof facts->name);
  memcpy(facts->driver_name, v12.driverName, sizeof v12.driverName);
  memcpy(facts->driver_info, v12.driverInfo, sizeof v12.driverInfo);
  memcpy(facts->pipeline_cache_uuid, plain.pipelineCacheUUID, 16);
  facts->vendor = plain.vendorID;
  facts->device = plain.deviceID;
  facts->driver = v12.driverID;
  facts->driver_version = plain.driverVersion;
  facts->type = plain.deviceType;
  facts->subgroup_size = v11.subgroupSize;
  facts->least_subgroup_size = is_1_3 ? v13.minSubgroupSize : v11.subgroupSize;
  facts->greatest_subgroup_size = is_1_3 ? v13.maxSubgroupSize : v11.subgroupSize;
  facts->storage_range = limits->maxStorageBufferRange;
  facts->push_constant_bytes = limits->maxPushConstantsSize;
  facts->storage_buffers_per_stage = limits->maxPerStageDescriptorStorageBuffers;
  facts->allocations = limits->maxMemoryAllocationCount;
  facts->shared_memory_bytes = limits->maxComputeSharedMemorySize;
  facts->workgroup_invocations = limits->maxComputeWorkGroupInvocations;
  memcpy(facts->workgroup_count, limits->maxComputeWorkGroupCount, sizeof facts->workgroup_count);
  facts->storage_alignment = limits->minStorageBufferOffsetAlignment;
  facts->allocation_bytes = v11.maxMemoryAllocationSize;
  facts->buffer_bytes = is_1_3 ? v13.maxBufferSize : v11.maxMemoryAllocationSize;
  facts->timestamp_period = limits->timestampPeriod;
  facts->dot_product_accelerated = v13.integerDotProduct4x8BitPackedSignedAccelerated;

  VkPhysicalDeviceCooperativeMatrixFeaturesKHR cooperative = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  bool has_cooperative =
      sana_vulkan_has_extension(vulkan, device, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  VkPhysicalDeviceVulkan13Features f13 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
      .pNext = has_cooperative ? &cooperative : NULL};
  VkPhysicalDeviceVulkan12Features f12 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
      .pNext = is_1_3 ? (void *)&f13 : f13.pNext};
  VkPhysicalDeviceVulkan11Features f11 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f12};
  VkPhysicalDeviceFeatures2 features = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
      .pNext = plain.apiVersion >= VK_API_VERSION_1_2 ? &f11 : NULL};
  vulkan->GetPhysicalDeviceFeatures2(device, &features);
  facts->storage_16bit = f11.storageBuffer16BitAccess;
  facts->storage_8bit = f12.storageBuffer8BitAccess;
  facts->float16 = f12.shaderFloat16;
  facts->int8 = f12.shaderInt8;
  facts->timeline_semaphores = f12.timelineSemaphore;
  facts->dot_product = f13.shaderIntegerDotProduct;
  facts->cooperative_matrix = cooperative.cooperativeMatrix;
  describe_memory(vulkan, device, facts);
  describe_queues(vulkan, device, facts);
}

uint32_t sana_vulkan_shapes(
    const sana_vulkan *vulkan, uint32_t index, sana_vulkan_shape *shapes, uint32_t capacity) {
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR query =
      (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vulkan->find(
          vulkan->instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  uint32_t count = 0;
  if (!query || query(vulkan->devices[index], &count, NULL) < 0 || !count) return 0;
  VkCooperativeMatrixPropertiesKHR *said = calloc(count, sizeof *said);
  if (!said) return 0;
  for (uint32_t i = 0; i < count; i++)
    said[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  uint32_t taken = 0;
  if (query(vulkan->devices[index], &count, said) >= 0)
    for (uint32_t i = 0; i < count && taken < capacity; i++) {
      if (said[i].scope != VK_SCOPE_SUBGROUP_KHR) continue;
      shapes[taken++] = (sana_vulkan_shape){
          .m = said[i].MSize, .n = said[i].NSize, .k = said[i].KSize, .a = said[i].AType,
          .b = said[i].BType, .c = said[i].CType, .result = said[i].ResultType,
          .saturating = said[i].saturatingAccumulation};
    }
  free(said);
  return taken;
}
