#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A SentencePiece model in memory. It never changes, so any number of threads may use it.
typedef struct sana_sentencepiece sana_sentencepiece;

/// Results of the functions below; no C++ exception leaves them.
enum {
  SANA_SENTENCEPIECE_OK = 0,
  /// The model or the ids are not acceptable.
  SANA_SENTENCEPIECE_REFUSED = 1,
  SANA_SENTENCEPIECE_OUT_OF_MEMORY = 2
};

/// Loads a serialized `tokenizer.model`.
int sana_sentencepiece_create(const void *model, size_t byte_count, sana_sentencepiece **result);
void sana_sentencepiece_destroy(sana_sentencepiece *tokenizer);

/// Splits UTF-8 text, NUL bytes included, into the ids of pieces, without beginning and end tokens.
/// `*ids` is to be released with `sana_sentencepiece_free`.
int sana_sentencepiece_encode(const sana_sentencepiece *tokenizer, const char *text, size_t byte_count,
                              int32_t **ids, size_t *count);

/// The UTF-8 text of ids, each below the piece count. `*text` is to be released with `sana_sentencepiece_free`.
int sana_sentencepiece_decode(const sana_sentencepiece *tokenizer, const int32_t *ids, size_t count,
                              char **text, size_t *byte_count);

void sana_sentencepiece_free(void *memory);

#ifdef __cplusplus
}
#endif
