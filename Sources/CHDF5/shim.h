#pragma once
#include <hdf5.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// What Swift cannot import of HDF5: predefined types are C globals behind macros (Swift 6 refuses mutable globals), and many
// constants are macros with casts or calls. Each is reached through a function here.

static inline hid_t sana_hdf5_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t sana_hdf5_native_double(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t sana_hdf5_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t sana_hdf5_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t sana_hdf5_native_int64(void) { return H5T_NATIVE_INT64; }

static inline hid_t sana_hdf5_all(void) { return H5S_ALL; }

/// Stops HDF5 from printing its error stack; the setting belongs to the calling thread.
/// Nor does the library close what is open when the program ends: of a file that could not be
/// written it would fall over.
static inline void sana_hdf5_silence(void) {
  (void)H5dont_atexit();
  (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/// Opens a file for reading without locking it, so that a read-only file system or a second reader is no obstacle.
static inline hid_t sana_hdf5_open(const char *path) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0) return -1;
  (void)H5Pset_file_locking(access, 0, 1);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
  (void)H5Pclose(access);
  return file;
}

/// Creates a file in place of what an existing one holds, without locking it: whoever made that
/// one may hold a lock.
static inline hid_t sana_hdf5_create(const char *path) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0) return -1;
  (void)H5Pset_file_locking(access, 0, 1);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  (void)H5Pclose(access);
  return file;
}

/// A link creation list under which the groups on the way to a new object are made as needed.
static inline hid_t sana_hdf5_intermediate_groups(void) {
  hid_t list = H5Pcreate(H5P_LINK_CREATE);
  if (list >= 0) (void)H5Pset_create_intermediate_group(list, 1);
  return list;
}

/// A dataset creation list under which nothing says when a dataset was made: the same contents are
/// the same file.
static inline hid_t sana_hdf5_timeless_dataset(void) {
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  if (list >= 0) (void)H5Pset_obj_track_times(list, 0);
  return list;
}

/// A UTF-8 string type of `size` bytes.
static inline hid_t sana_hdf5_string_type(size_t size) {
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type < 0) return -1;
  if (H5Tset_size(type, size) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
    (void)H5Tclose(type);
    return -1;
  }
  return type;
}

/// A variable-length UTF-8 string type.
static inline hid_t sana_hdf5_variable_string_type(void) { return sana_hdf5_string_type(H5T_VARIABLE); }

static inline herr_t sana_hdf5_copy_description(unsigned n, const H5E_error2_t *error, void *buffer) {
  if (n == 0 && error->desc) (void)snprintf((char *)buffer, 256, "%s", error->desc);
  return 0;
}

typedef struct {
  const char *word;
  bool found;
} sana_hdf5_search;

static inline herr_t sana_hdf5_look_for_word(unsigned n, const H5E_error2_t *error, void *search) {
  (void)n;
  sana_hdf5_search *state = (sana_hdf5_search *)search;
  if (error->desc && strstr(error->desc, state->word)) state->found = true;
  return 0;
}

/// Whether a description of the last failure of this thread has this word.
static inline bool sana_hdf5_failure_mentions(const char *word) {
  sana_hdf5_search search = {.word = word, .found = false};
  (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, sana_hdf5_look_for_word, &search);
  return search.found;
}

/// The first filter of a dataset that this library does not have: its number, 0 when there is none,
/// and the name that the file gives it in `name`, of at least 64 bytes.
static inline int sana_hdf5_missing_filter(hid_t dataset, char *name) {
  name[0] = 0;
  hid_t list = H5Dget_create_plist(dataset);
  if (list < 0) return 0;
  int missing = 0;
  const int count = H5Pget_nfilters(list);
  for (int i = 0; i < count && missing == 0; i++) {
    unsigned flags = 0, configuration = 0;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 64, name, &configuration);
    if (filter > 0 && H5Zfilter_avail(filter) <= 0) missing = filter;
  }
  (void)H5Pclose(list);
  name[63] = 0;
  return missing;
}

/// Copies the innermost description of the last failure of this thread into `buffer` of at least 256 bytes.
static inline void sana_hdf5_failure(char *buffer) {
  buffer[0] = 0;
  (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, sana_hdf5_copy_description, buffer);
}
