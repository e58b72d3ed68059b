#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// From now on, a mapped file that cannot be read (it was shortened, or its disk fails) ends the process with status 1 and one line
/// on standard error that names the file, instead of a crash. Where the system does not tell which file it was, nothing changes.
void sana_report_file_faults(void);

#ifdef __cplusplus
}
#endif
