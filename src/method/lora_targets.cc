#include "method/lora_targets.h"

#include <algorithm>

#include "base/error.h"
#include "base/joined.h"
#include "base/nearest.h"
#include "method/load_tensor.h"
#include "method/peft_config.h"

namespace falconer {
namespace {

constexpr const char* kAllLinear = "all-linear";

bool is_qkv(Role role) {
  return role == Role::kQkv || role == Role::kQ || role == Role::kK || role == Role::kV;
}

bool looks_like_regex(const std::string& text) {
  return text.find_first_of("*+?[](){}|\\^$") != std::string::npos;
}

/// "q, v" is as good as "q,v".
std::string without_blanks(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

Regex whole_name(const std::string& pattern) {
  try {
    return Regex("\\A(?:" + pattern + ")\\z");
  } catch (const Error& error) {
    fail_usage("--lora-targets: \"{}\" is no regular expression: {}", printable(pattern),
               error.what());
  }
}

}  // namespace

LoraTargets::LoraTargets(const std::vector<std::string>& targets) {
  if (targets.empty()) fail_usage("--lora-targets is empty; give for example q,v or all-linear");
  for (const std::string& given : targets) {
    Target& target = targets_.emplace_back();
    const std::string text = without_blanks(given);
    target.text = text;
    if (looks_like_regex(text)) target.regex.push_back(whole_name(text));
  }
}

LoraTargets::Match LoraTargets::match(const LinearSite& site) {
  Match found;
  const Role role = site.id().role;
  for (Target& target : targets_) {
    const std::string& text = target.text;
    const bool whole =
        (text == kAllLinear && role != Role::kHead) || text == role_name(role) ||
        (text == "qkv" && is_qkv(role)) || names_module(site.module(), text) ||
        std::any_of(target.regex.begin(), target.regex.end(), [&](const Regex& regex) {
          return regex.find(site.module(), 0).begin != std::string_view::npos;
        });
    const bool part = std::any_of(site.parts().begin(), site.parts().end(),
                                  [&](const SitePart& one) { return one.name == text; });
    target.met |= whole || part;
    found.whole |= whole;
    if (part && !whole) found.parts.push_back(text);
  }
  return found;
}

void LoraTargets::check_all_met(const std::vector<LinearSite*>& sites) const {
  std::vector<std::string> known;
  const auto add = [&](const std::string& name) {
    if (std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
  };
  for (const LinearSite* site : sites) {
    for (const SitePart& part : site->parts()) add(part.name);
    add(std::string(role_name(site->id().role)));
  }
  for (const LinearSite* site : sites) add(last_name(site->module()));
  add(kAllLinear);
  for (const Target& target : targets_)
    if (!target.met && target.text == "conv1d" && std::count(known.begin(), known.end(), "in_proj"))
      fail_usage(
          "--lora-targets names conv1d, a convolution, and LoRA is for linear layers; take it out");
  for (const Target& target : targets_)
    if (!target.met)
      fail_usage(
          "--lora-targets names \"{}\", which this model does not have; expected {}, or a regular "
          "expression for the whole names of modules{}",
          printable(target.text), joined(known, ", "), did_you_mean(target.text, known, 1));
}

std::string target_of(const LinearSite& site) {
  const std::string name = last_name(site.module());
  const bool todays = name.ends_with("_proj") && site.parts().empty();
  return todays ? std::string(role_name(site.id().role)) : name;
}

}  // namespace falconer
