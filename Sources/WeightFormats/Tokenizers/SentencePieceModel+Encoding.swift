extension SentencePieceModel {
  /// The model's protocol-buffer encoding, with Gemma's settings: no normalization but that of
  /// spaces, which are kept, and bytes for what no piece holds.
  package var encoded: [UInt8] {
    var model = ProtocolBufferWriter()
    for piece in pieces {
      model.append(1) { message in
        message.append(1, bytes: piece.text)
        message.append(2, float: piece.score)
        message.append(3, integer: piece.type.rawValue)
      }
    }
    // trainer_spec
    model.append(2) { message in
      // model_type, vocab_size
      message.append(3, integer: 2)
      message.append(4, integer: UInt64(pieces.count))
      // user_defined_symbols
      for piece in pieces where piece.isListed { message.append(31, bytes: piece.text) }
      // byte_fallback
      message.append(35, bool: true)
    }
    // normalizer_spec
    model.append(3) { message in
      message.append(1, bytes: "identity".utf8)
      // add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces
      message.append(3, bool: false)
      message.append(4, bool: false)
      message.append(5, bool: true)
    }
    return model.bytes
  }
}
