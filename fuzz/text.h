// A small tokenizer that targets share: one token for each byte, and end-of-text.
#pragma once

#include "text/tokenizer.h"

namespace falconer::fuzz {

const Tokenizer& byte_tokenizer();

}  // namespace falconer::fuzz
