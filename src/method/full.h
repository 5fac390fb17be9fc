// Full finetuning: everything learns, nothing is attached.
#pragma once

#include "method/method.h"

namespace falconer {

std::unique_ptr<Method> make_full(const MethodOptions& options);

}  // namespace falconer
