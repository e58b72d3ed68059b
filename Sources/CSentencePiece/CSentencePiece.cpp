#include "CSentencePiece.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <sentencepiece_processor.h>
#include <string>
#include <vector>

struct sana_sentencepiece {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

/// Runs `body`, which returns one of the result codes, and turns what it throws into one.
template <typename Body>
int guarded(Body body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return SANA_SENTENCEPIECE_OUT_OF_MEMORY;
  } catch (...) {
    return SANA_SENTENCEPIECE_REFUSED;
  }
}

/// A copy in memory from `malloc`, never null for an empty source.
template <typename Element>
int copy(const Element *source, size_t count, Element **target) {
  auto *memory = static_cast<Element *>(std::malloc(count == 0 ? 1 : count * sizeof(Element)));
  if (memory == nullptr) return SANA_SENTENCEPIECE_OUT_OF_MEMORY;
  if (count > 0) std::memcpy(memory, source, count * sizeof(Element));
  *target = memory;
  return SANA_SENTENCEPIECE_OK;
}

}  // namespace

int sana_sentencepiece_create(const void *model, size_t byte_count, sana_sentencepiece **result) {
  return guarded([&] {
    auto *tokenizer = new sana_sentencepiece;
    const std::string serialized(static_cast<const char *>(model), byte_count);
    if (!tokenizer->processor.LoadFromSerializedProto(serialized).ok()) {
      delete tokenizer;
      return SANA_SENTENCEPIECE_REFUSED;
    }
    *result = tokenizer;
    return SANA_SENTENCEPIECE_OK;
  });
}

void sana_sentencepiece_destroy(sana_sentencepiece *tokenizer) { delete tokenizer; }

int sana_sentencepiece_encode(const sana_sentencepiece *tokenizer, const char *text, size_t byte_count,
                              int32_t **ids, size_t *count) {
  return guarded([&] {
    std::vector<int> pieces;
    const auto status =
        tokenizer->processor.Encode(std::string_view(text, byte_count), &pieces);
    if (!status.ok()) return static_cast<int>(SANA_SENTENCEPIECE_REFUSED);
    *count = pieces.size();
    return copy<int32_t>(pieces.data(), pieces.size(), ids);
  });
}

int sana_sentencepiece_decode(const sana_sentencepiece *tokenizer, const int32_t *ids, size_t count,
                              char **text, size_t *byte_count) {
  return guarded([&] {
    const int pieces = tokenizer->processor.GetPieceSize();
    for (size_t index = 0; index < count; ++index) {
      if (ids[index] < 0 || ids[index] >= pieces) return static_cast<int>(SANA_SENTENCEPIECE_REFUSED);
    }
    std::string decoded;
    const auto status =
        tokenizer->processor.Decode(std::vector<int>(ids, ids + count), &decoded);
    if (!status.ok()) return static_cast<int>(SANA_SENTENCEPIECE_REFUSED);
    *byte_count = decoded.size();
    return copy<char>(decoded.data(), decoded.size(), text);
  });
}

void sana_sentencepiece_free(void *memory) { std::free(memory); }
