#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// From now on, a mapped file that cannot be read (it was shortened, or its disk fails) ends the
/// process with one line on standard error that names the file, instead of a crash. Where the
/// system does not tell which file it was, nothing changes.
void sana_report_file_faults(void);

/// From now on, an allocation that the system refuses ends the process with one line on standard
/// error that says which limit there is, instead of a crash. Takes the memory that the stack of the
/// calling thread may need at once.
void sana_report_memory_faults(void);

/// Gives the system the memory that was allocated and is not used, where the allocator can.
void sana_release_unused_memory(void);

/// The status that these failures end the process with: 1 unless set.
void sana_set_failure_status(int status);

#ifdef __cplusplus
}
#endif
