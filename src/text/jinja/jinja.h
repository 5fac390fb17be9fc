// Chat templates in Jinja, as transformers renders them: ImmutableSandboxedEnvironment with
// trim_blocks, lstrip_blocks and loop controls. The part of the language that templates of models
// use; what is missing is an error that names it. A template is not trusted: its steps, its memory
// and its depth are bounded.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "text/jinja/value.h"

namespace falconer {

struct JinjaTree;

/// Immutable once parsed; safe to use from many threads.
class JinjaTemplate {
 public:
  /// `name` is what errors call it. Error: a construct that is wrong or not known, with its line.
  JinjaTemplate(std::string source, std::string name);
  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;
  ~JinjaTemplate();

  const std::string& source() const { return source_; }

  using Variables = std::span<const std::pair<std::string_view, JinjaValue>>;
  /// Error: the template raises an exception, takes more than it may, or does what is not defined;
  /// with its line.
  MarkedText render(Variables variables, JinjaHeap& heap) const;

 private:
  std::string source_, name_;
  std::unique_ptr<const JinjaTree> tree_;
};

}  // namespace falconer
