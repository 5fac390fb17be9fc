#include "support/paths.h"

namespace falconer {

const char* source_dir() { return FALCONER_SOURCE_DIR; }
const char* program_path() { return FALCONER_PROGRAM; }

}  // namespace falconer
