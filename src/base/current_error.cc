#include "base/current_error.h"

#include <filesystem>
#include <new>
#include <stdexcept>

#include "base/error.h"

namespace falconer {

CurrentError current_error() {
  using Kind = CurrentError::Kind;
  const CurrentError no_memory{.text = "out of memory", .kind = Kind::kNoMemory};
  try {
    throw;
  } catch (const Error& error) {
    return {.text = error.what(), .kind = Kind::kWrongInput, .exit_code = error.exit_code()};
  } catch (const std::bad_alloc&) {
    return no_memory;
  } catch (const std::length_error&) {  // more elements than any memory has
    return no_memory;
  } catch (const std::filesystem::filesystem_error& error) {
    return {.text = error.path1().string() + ": " + error.code().message(),
            .kind = Kind::kWrongInput};
  } catch (const std::exception& error) {
    return {.text = error.what()};
  } catch (...) {
    return {.text = "an exception of another kind"};
  }
}

}  // namespace falconer
