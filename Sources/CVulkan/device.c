#include <stdlib.h>

#include "vulkan.h"

int32_t sana_vulkan_device_open(
    sana_vulkan *vulkan, uint32_t index, const sana_vulkan_facts *facts,
    sana_vulkan_device **opened) {
  sana_vulkan_device *device = calloc(1, sizeof *device);
  if (!device) return VK_ERROR_OUT_OF_HOST_MEMORY;
  float priority = 1;
  VkDeviceQueueCreateInfo queue = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
      .queueFamilyIndex = facts->compute_family,
      .queueCount = 1,
      .pQueuePriorities = &priority,
  };
  VkPhysicalDeviceVulkan11Features f11 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
      .storageBuffer16BitAccess = facts->storage_16bit,
  };
  const char *extensions[1];
  VkDeviceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
      .pNext = &f11,
      .queueCreateInfoCount = 1,
      .pQueueCreateInfos = &queue,
      .ppEnabledExtensionNames = extensions,
  };
  // A device that has this extension must be made with it.
  if (sana_vulkan_has_extension(vulkan, vulkan->devices[index], "VK_KHR_portability_subset"))
    extensions[info.enabledExtensionCount++] = "VK_KHR_portability_subset";
  VkResult result =
      vulkan->CreateDevice(vulkan->devices[index], &info, NULL, &device->handle);
  if (result != VK_SUCCESS) {
    free(device);
    return result;
  }
#define FIND(name) device->name = (PFN_vk##name)vulkan->GetDeviceProcAddr(device->handle, "vk" #name);
  SANA_VULKAN_DEVICE(FIND)
#undef FIND
  device->family = facts->compute_family;
  device->GetDeviceQueue(device->handle, device->family, 0, &device->queue);
  *opened = device;
  return VK_SUCCESS;
}

void sana_vulkan_device_close(sana_vulkan_device *device) {
  if (!device) return;
  device->DeviceWaitIdle(device->handle);
  device->DestroyDevice(device->handle, NULL);
  free(device);
}

static VkResult make_buffer(sana_vulkan_device *device, uint64_t bytes, VkBuffer *buffer) {
  VkBufferCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
      .size = bytes,
      .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT,
  };
  return device->CreateBuffer(device->handle, &info, NULL, buffer);
}

int32_t sana_vulkan_buffer_needs(
    sana_vulkan_device *device, uint64_t bytes, uint64_t *needed, uint32_t *types) {
  VkBuffer buffer;
  VkResult result = make_buffer(device, bytes, &buffer);
  if (result != VK_SUCCESS) return result;
  VkMemoryRequirements needs;
  device->GetBufferMemoryRequirements(device->handle, buffer, &needs);
  device->DestroyBuffer(device->handle, buffer, NULL);
  *needed = needs.size;
  *types = needs.memoryTypeBits;
  return VK_SUCCESS;
}

int32_t sana_vulkan_buffer_make(
    sana_vulkan_device *device, uint64_t bytes, uint32_t memory_type, bool mapped,
    sana_vulkan_buffer **made) {
  sana_vulkan_buffer *buffer = calloc(1, sizeof *buffer);
  if (!buffer) return VK_ERROR_OUT_OF_HOST_MEMORY;
  buffer->device = device;
  VkResult result = make_buffer(device, bytes, &buffer->handle);
  if (result == VK_SUCCESS) {
    VkMemoryRequirements needs;
    device->GetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs.size,
        .memoryTypeIndex = memory_type,
    };
    result = device->AllocateMemory(device->handle, &info, NULL, &buffer->memory);
  }
  if (result == VK_SUCCESS)
    result = device->BindBufferMemory(device->handle, buffer->handle, buffer->memory, 0);
  if (result == VK_SUCCESS && mapped)
    result = device->MapMemory(
        device->handle, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->address);
  if (result != VK_SUCCESS) {
    sana_vulkan_buffer_free(buffer);
    return result;
  }
  *made = buffer;
  return VK_SUCCESS;
}

void *sana_vulkan_buffer_address(const sana_vulkan_buffer *buffer) { return buffer->address; }

void sana_vulkan_buffer_free(sana_vulkan_buffer *buffer) {
  if (!buffer) return;
  sana_vulkan_device *device = buffer->device;
  device->DestroyBuffer(device->handle, buffer->handle, NULL);
  device->FreeMemory(device->handle, buffer->memory, NULL);
  free(buffer);
}

int32_t sana_vulkan_pipeline_make(
    sana_vulkan_device *device, const uint32_t *words, size_t word_count, uint32_t bindings,
    uint32_t push_bytes, const uint32_t *constants, uint32_t constant_count,
    sana_vulkan_pipeline **made) {
  VkDescriptorSetLayoutBinding layout_bindings[16];
  VkSpecializationMapEntry entries[16];
  if (bindings > 16 || constant_count > 16) return VK_ERROR_TOO_MANY_OBJECTS;
  sana_vulkan_pipeline *pipeline = calloc(1, sizeof *pipeline);
  if (!pipeline) return VK_ERROR_OUT_OF_HOST_MEMORY;
  pipeline->device = device;
  pipeline->bindings = bindings;
  pipeline->push_bytes = push_bytes;
  for (uint32_t i = 0; i < bindings; i++)
    layout_bindings[i] = (VkDescriptorSetLayoutBinding){
        .binding = i,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = 1,
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  for (uint32_t i = 0; i < constant_count; i++)
    entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = 4 * i, .size = 4};
  VkShaderModule module = VK_NULL_HANDLE;
  VkShaderModuleCreateInfo module_info = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
      .codeSize = 4 * word_count,
      .pCode = words};
  VkDescriptorSetLayoutCreateInfo set_info = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
      .bindingCount = bindings,
      .pBindings = layout_bindings};
  VkResult result = device->CreateShaderModule(device->handle, &module_info, NULL, &module);
  if (result == VK_SUCCESS)
    result = device->CreateDescriptorSetLayout(
        device->handle, &set_info, NULL, &pipeline->set_layout);
  if (result == VK_SUCCESS) {
    VkPushConstantRange range = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = push_bytes};
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &pipeline->set_layout,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &range};
    result = device->CreatePipelineLayout(device->handle, &info, NULL, &pipeline->layout);
  }
  if (result == VK_SUCCESS) {
    VkSpecializationInfo specialization = {
        .mapEntryCount = constant_count,
        .pMapEntries = entries,
        .dataSize = 4 * constant_count,
        .pData = constants};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &specialization},
        .layout = pipeline->layout};
    result = device->CreateComputePipelines(
        device->handle, VK_NULL_HANDLE, 1, &info, NULL, &pipeline->handle);
  }
  device->DestroyShaderModule(device->handle, module, NULL);
  if (result != VK_SUCCESS) {
    sana_vulkan_pipeline_free(pipeline);
    return result;
  }
  *made = pipeline;
  return VK_SUCCESS;
}

void sana_vulkan_pipeline_free(sana_vulkan_pipeline *pipeline) {
  if (!pipeline) return;
  sana_vulkan_device *device = pipeline->device;
  device->DestroyPipeline(device->handle, pipeline->handle, NULL);
  device->DestroyPipelineLayout(device->handle, pipeline->layout, NULL);
  device->DestroyDescriptorSetLayout(device->handle, pipeline->set_layout, NULL);
  free(pipeline);
}
