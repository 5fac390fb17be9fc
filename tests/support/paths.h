// Where the checkout and the program under test are. Functions, not macros: where paths enter one
// object alone, a compiler cache serves every checkout.
#pragma once

namespace falconer {

/// The root of the checkout.
const char* source_dir();
/// The program that was built beside the tests.
const char* program_path();

}  // namespace falconer
