// Settings of the C interface: pairs of name and text.
#pragma once

#include "base/error.h"
#include "c_api/call.h"
#include "falconer/settings.h"

namespace falconer::c_api {

/// Error (usage): as falconer::set, or a name or value that is null.
template <class Options>
void set_all(Options& options, const falconer_setting* settings, size_t count) {
  if (count > 0) need(settings, "settings");
  for (size_t i = 0; i < count; ++i) {
    need(settings[i].name, "a setting's name");
    if (settings[i].value == nullptr) fail_usage("the value of {} is NULL", settings[i].name);
    set(options, settings[i].name, settings[i].value);
  }
}

}  // namespace falconer::c_api
