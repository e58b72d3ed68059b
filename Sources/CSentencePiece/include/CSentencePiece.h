#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sana_tokenizer sana_tokenizer;

#ifdef __cplusplus
}
#endif
