// The functions of Vulkan that are used, found when they are needed.
#ifndef SANA_VULKAN_TABLES_H
#define SANA_VULKAN_TABLES_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "sana_vulkan.h"

// Headers before 1.3.255 do not declare cooperative matrices.
#ifndef VK_KHR_cooperative_matrix
#define VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME "VK_KHR_cooperative_matrix"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR ((VkStructureType)1000506000)
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR ((VkStructureType)1000506001)
#define VK_SCOPE_SUBGROUP_KHR 3
typedef struct {
  VkStructureType sType;
  void *pNext;
  VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
} VkPhysicalDeviceCooperativeMatrixFeaturesKHR;
typedef struct {
  VkStructureType sType;
  void *pNext;
  uint32_t MSize, NSize, KSize;
  int AType, BType, CType, ResultType;
  VkBool32 saturatingAccumulation;
  int scope;
} VkCooperativeMatrixPropertiesKHR;
typedef VkResult(VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(
    VkPhysicalDevice, uint32_t *, VkCooperativeMatrixPropertiesKHR *);
#endif

#define SANA_VULKAN_GLOBAL(F) F(EnumerateInstanceVersion) F(CreateInstance) F(EnumerateInstanceLayerProperties) \
  F(EnumerateInstanceExtensionProperties)
#define SANA_VULKAN_INSTANCE(F) \
  F(DestroyInstance) F(EnumeratePhysicalDevices) F(GetPhysicalDeviceProperties) \
  F(GetPhysicalDeviceProperties2) \
  F(GetPhysicalDeviceFeatures2) F(GetPhysicalDeviceMemoryProperties2) \
  F(GetPhysicalDeviceQueueFamilyProperties) F(EnumerateDeviceExtensionProperties) F(CreateDevice) \
  F(GetDeviceProcAddr)
#define SANA_VULKAN_DEVICE(F) \
  F(DestroyDevice) F(GetDeviceQueue) F(DeviceWaitIdle) F(CreateBuffer) F(DestroyBuffer) \
  F(GetBufferMemoryRequirements) F(AllocateMemory) F(FreeMemory) F(BindBufferMemory) F(MapMemory) \
  F(CreateShaderModule) F(DestroyShaderModule) F(CreateDescriptorSetLayout) \
  F(DestroyDescriptorSetLayout) F(CreatePipelineLayout) F(DestroyPipelineLayout) \
  F(CreateComputePipelines) F(DestroyPipeline) F(CreateDescriptorPool) F(DestroyDescriptorPool) \
  F(AllocateDescriptorSets) F(UpdateDescriptorSets) F(CreateCommandPool) F(DestroyCommandPool) \
  F(AllocateCommandBuffers) F(BeginCommandBuffer) F(EndCommandBuffer) F(CmdBindPipeline) \
  F(CmdBindDescriptorSets) F(CmdPushConstants) F(CmdDispatch) F(CmdCopyBuffer) \
  F(CmdPipelineBarrier) F(CreateFence) F(DestroyFence) F(ResetFences) F(WaitForFences) F(QueueSubmit)

#define SANA_VULKAN_POINTER(name) PFN_vk##name name;

struct sana_vulkan {
  void *library;
  PFN_vkGetInstanceProcAddr find;
  VkInstance instance;
  VkPhysicalDevice *devices;
  uint32_t device_count, api_version;
  VkDebugUtilsMessengerEXT messenger;
  bool validates, portable;
  _Atomic int32_t messages;
  char first_message[1024];
  SANA_VULKAN_GLOBAL(SANA_VULKAN_POINTER)
  SANA_VULKAN_INSTANCE(SANA_VULKAN_POINTER)
};

struct sana_vulkan_device {
  VkDevice handle;
  VkQueue queue;
  uint32_t family;
  SANA_VULKAN_DEVICE(SANA_VULKAN_POINTER)
};

struct sana_vulkan_buffer {
  sana_vulkan_device *device;
  VkBuffer handle;
  VkDeviceMemory memory;
  void *address;
};

struct sana_vulkan_pipeline {
  sana_vulkan_device *device;
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout;
  VkPipeline handle;
  uint32_t bindings, push_bytes;
};

// Whether a physical device has an extension.
bool sana_vulkan_has_extension(
    const sana_vulkan *vulkan, VkPhysicalDevice device, const char *extension);

#endif
