#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vulkan.h"

static const char *const loaders[] = {
    "libvulkan.so.1", "libvulkan.so", "libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib",
};
static const char *const validation_layer = "VK_LAYER_KHRONOS_validation";

static VKAPI_ATTR VkBool32 VKAPI_CALL take_message(
    VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT type,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *context) {
  (void)severity, (void)type;
  sana_vulkan *vulkan = context;
  if (vulkan->messages++ == 0)
    snprintf(vulkan->first_message, sizeof vulkan->first_message, "%s", data->pMessage);
  return VK_FALSE;
}

static bool has_layer(const sana_vulkan *vulkan) {
  uint32_t count = 0;
  if (vulkan->EnumerateInstanceLayerProperties(&count, NULL) != VK_SUCCESS || count == 0)
    return false;
  VkLayerProperties *layers = calloc(count, sizeof *layers);
  bool found = false;
  if (layers && vulkan->EnumerateInstanceLayerProperties(&count, layers) >= 0)
    for (uint32_t i = 0; i < count; i++) found |= !strcmp(layers[i].layerName, validation_layer);
  free(layers);
  return found;
}

static bool has_instance_extension(const sana_vulkan *vulkan, const char *name) {
  uint32_t count = 0;
  if (vulkan->EnumerateInstanceExtensionProperties(NULL, &count, NULL) != VK_SUCCESS || count == 0)
    return false;
  VkExtensionProperties *extensions = calloc(count, sizeof *extensions);
  bool found = false;
  if (extensions && vulkan->EnumerateInstanceExtensionProperties(NULL, &count, extensions) >= 0)
    for (uint32_t i = 0; i < count; i++) found |= !strcmp(extensions[i].extensionName, name);
  free(extensions);
  return found;
}

static VkResult make_instance(sana_vulkan *vulkan, bool validate) {
  // A loader of Vulkan 1.0 has no such function, and refuses a version above its own.
  vulkan->api_version = VK_API_VERSION_1_0;
  if (vulkan->EnumerateInstanceVersion) vulkan->EnumerateInstanceVersion(&vulkan->api_version);
  if (vulkan->api_version < VK_API_VERSION_1_2) return VK_ERROR_INCOMPATIBLE_DRIVER;
  VkApplicationInfo application = {
      .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
      .pApplicationName = "sana",
      .apiVersion = vulkan->api_version < VK_API_VERSION_1_3 ? VK_API_VERSION_1_2 : VK_API_VERSION_1_3,
  };
  VkDebugUtilsMessengerCreateInfoEXT messages = {
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                         VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
      .pfnUserCallback = take_message,
      .pUserData = vulkan,
  };
  const char *extensions[2];
  VkInstanceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
      .pApplicationInfo = &application,
      .ppEnabledExtensionNames = extensions,
  };
  if (validate && has_layer(vulkan)) {
    info.pNext = &messages;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &validation_layer;
    extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    vulkan->validates = true;
  }
  // Without this, loaders leave out devices like MoltenVK's that lack a part of Vulkan.
  if (has_instance_extension(vulkan, "VK_KHR_portability_enumeration")) {
    extensions[info.enabledExtensionCount++] = "VK_KHR_portability_enumeration";
    info.flags |= 0x00000001;
  }
  VkResult result = vulkan->CreateInstance(&info, NULL, &vulkan->instance);
  if (result != VK_SUCCESS) return result;
#define FIND(name) vulkan->name = (PFN_vk##name)vulkan->find(vulkan->instance, "vk" #name);
  SANA_VULKAN_INSTANCE(FIND)
#undef FIND
  if (!vulkan->validates) return VK_SUCCESS;
  PFN_vkCreateDebugUtilsMessengerEXT create =
      (PFN_vkCreateDebugUtilsMessengerEXT)vulkan->find(
          vulkan->instance, "vkCreateDebugUtilsMessengerEXT");
  return create ? create(vulkan->instance, &messages, NULL, &vulkan->messenger) : VK_SUCCESS;
}

int32_t sana_vulkan_open(const char *library, bool validate, sana_vulkan **opened) {
  sana_vulkan *vulkan = calloc(1, sizeof *vulkan);
  if (!vulkan) return VK_ERROR_OUT_OF_HOST_MEMORY;
  if (library) vulkan->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  for (size_t i = 0; !library && !vulkan->library && i < sizeof loaders / sizeof *loaders; i++)
    vulkan->library = dlopen(loaders[i], RTLD_NOW | RTLD_LOCAL);
  if (vulkan->library)
    vulkan->find = (PFN_vkGetInstanceProcAddr)dlsym(vulkan->library, "vkGetInstanceProcAddr");
  VkResult result = SANA_VULKAN_NO_LOADER;
  if (vulkan->find) {
#define FIND(name) vulkan->name = (PFN_vk##name)vulkan->find(NULL, "vk" #name);
    SANA_VULKAN_GLOBAL(FIND)
#undef FIND
    result = vulkan->CreateInstance ? make_instance(vulkan, validate) : result;
  }
  if (result == VK_SUCCESS) {
    result = vulkan->EnumeratePhysicalDevices(vulkan->instance, &vulkan->device_count, NULL);
    // One more, so that no size is zero.
    vulkan->devices = calloc(vulkan->device_count + 1, sizeof *vulkan->devices);
    if (!vulkan->devices) result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (result == VK_SUCCESS && vulkan->device_count)
      result = vulkan->EnumeratePhysicalDevices(
          vulkan->instance, &vulkan->device_count, vulkan->devices);
  }
  if (result < 0) {
    sana_vulkan_close(vulkan);
    return result;
  }
  *opened = vulkan;
  return VK_SUCCESS;
}

void sana_vulkan_close(sana_vulkan *vulkan) {
  if (!vulkan) return;
  if (vulkan->messenger) {
    PFN_vkDestroyDebugUtilsMessengerEXT destroy =
        (PFN_vkDestroyDebugUtilsMessengerEXT)vulkan->find(
            vulkan->instance, "vkDestroyDebugUtilsMessengerEXT");
    if (destroy) destroy(vulkan->instance, vulkan->messenger, NULL);
  }
  if (vulkan->instance && vulkan->DestroyInstance) vulkan->DestroyInstance(vulkan->instance, NULL);
  // The library stays: drivers leave threads and thread-local destructors behind.
  free(vulkan->devices);
  free(vulkan);
}

int32_t sana_vulkan_message_count(const sana_vulkan *vulkan) {
  return vulkan->validates ? vulkan->messages : -1;
}

const char *sana_vulkan_first_message(const sana_vulkan *vulkan) { return vulkan->first_message; }

uint32_t sana_vulkan_device_count(const sana_vulkan *vulkan) { return vulkan->device_count; }
