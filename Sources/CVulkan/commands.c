#include <stdlib.h>

#include "vulkan.h"

struct sana_vulkan_commands {
  sana_vulkan_device *device;
  VkDescriptorPool descriptors;
  VkCommandPool pool;
  VkCommandBuffer handle;
  VkFence fence;
};

int32_t sana_vulkan_commands_make(
    sana_vulkan_device *device, uint32_t dispatches, uint32_t bindings,
    sana_vulkan_commands **made) {
  sana_vulkan_commands *commands = calloc(1, sizeof *commands);
  if (!commands) return VK_ERROR_OUT_OF_HOST_MEMORY;
  commands->device = device;
  VkCommandPoolCreateInfo pool = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = device->family};
  VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  VkResult result = device->CreateCommandPool(device->handle, &pool, NULL, &commands->pool);
  if (result == VK_SUCCESS)
    result = device->CreateFence(device->handle, &fence, NULL, &commands->fence);
  if (result == VK_SUCCESS && dispatches) {
    VkDescriptorPoolSize size = {
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = bindings ? bindings : 1};
    VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = dispatches,
        .poolSizeCount = 1,
        .pPoolSizes = &size};
    result = device->CreateDescriptorPool(device->handle, &info, NULL, &commands->descriptors);
  }
  if (result == VK_SUCCESS) {
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = commands->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1};
    result = device->AllocateCommandBuffers(device->handle, &info, &commands->handle);
  }
  if (result == VK_SUCCESS) {
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    result = device->BeginCommandBuffer(commands->handle, &info);
  }
  if (result != VK_SUCCESS) {
    sana_vulkan_commands_free(commands);
    return result;
  }
  *made = commands;
  return VK_SUCCESS;
}

void sana_vulkan_commands_free(sana_vulkan_commands *commands) {
  if (!commands) return;
  sana_vulkan_device *device = commands->device;
  device->DestroyFence(device->handle, commands->fence, NULL);
  device->DestroyCommandPool(device->handle, commands->pool, NULL);
  device->DestroyDescriptorPool(device->handle, commands->descriptors, NULL);
  free(commands);
}

int32_t sana_vulkan_dispatch(
    sana_vulkan_commands *commands, const sana_vulkan_pipeline *pipeline,
    const sana_vulkan_window *windows, const uint32_t *push, const uint32_t groups[3]) {
  sana_vulkan_device *device = commands->device;
  VkDescriptorSetAllocateInfo allocation = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
      .descriptorPool = commands->descriptors,
      .descriptorSetCount = 1,
      .pSetLayouts = &pipeline->set_layout};
  VkDescriptorSet set;
  VkResult result = device->AllocateDescriptorSets(device->handle, &allocation, &set);
  if (result != VK_SUCCESS) return result;
  VkDescriptorBufferInfo buffers[16];
  VkWriteDescriptorSet writes[16];
  for (uint32_t i = 0; i < pipeline->bindings; i++) {
    buffers[i] = (VkDescriptorBufferInfo){
        .buffer = windows[i].buffer->handle, .offset = windows[i].offset, .range = windows[i].bytes};
    writes[i] = (VkWriteDescriptorSet){
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = i,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = &buffers[i]};
  }
  device->UpdateDescriptorSets(device->handle, pipeline->bindings, writes, 0, NULL);
  device->CmdBindPipeline(commands->handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->handle);
  device->CmdBindDescriptorSets(
      commands->handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, 1, &set, 0, NULL);
  device->CmdPushConstants(
      commands->handle, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, pipeline->push_bytes,
      push);
  device->CmdDispatch(commands->handle, groups[0], groups[1], groups[2]);
  return VK_SUCCESS;
}

void sana_vulkan_copy(
    sana_vulkan_commands *commands, sana_vulkan_window from, sana_vulkan_window to) {
  VkBufferCopy region = {.srcOffset = from.offset, .dstOffset = to.offset, .size = from.bytes};
  commands->device->CmdCopyBuffer(
      commands->handle, from.buffer->handle, to.buffer->handle, 1, &region);
}

void sana_vulkan_barrier(sana_vulkan_commands *commands) {
  VkMemoryBarrier barrier = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
      .srcAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                       VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT |
                       VK_ACCESS_HOST_WRITE_BIT,
      .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                       VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT |
                       VK_ACCESS_HOST_READ_BIT};
  VkPipelineStageFlags device =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_HOST_BIT;
  commands->device->CmdPipelineBarrier(
      commands->handle, device, device, 0, 1, &barrier, 0, NULL, 0, NULL);
}

int32_t sana_vulkan_commands_end(sana_vulkan_commands *commands) {
  return commands->device->EndCommandBuffer(commands->handle);
}

int32_t sana_vulkan_submit(sana_vulkan_commands *commands) {
  sana_vulkan_device *device = commands->device;
  VkSubmitInfo info = {
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
      .commandBufferCount = 1,
      .pCommandBuffers = &commands->handle};
  VkResult result = device->QueueSubmit(device->queue, 1, &info, commands->fence);
  if (result != VK_SUCCESS) return result;
  result = device->WaitForFences(device->handle, 1, &commands->fence, VK_TRUE, UINT64_MAX);
  if (result == VK_SUCCESS) result = device->ResetFences(device->handle, 1, &commands->fence);
  return result;
}
