#include "base/answer_printer.h"

#include "base/one_of_many.h"
#include "base/streams.h"
#include "base/terminal.h"

namespace falconer {

AnswerPrinter::AnswerPrinter(size_t column) {
  if (stdout_is_terminal()) wrap_.emplace(look_of_stdout().columns, column);
}

void AnswerPrinter::add(std::string_view text) {
  if (wrap_)
    print_result(wrap_->add(visible(text)));
  else
    print_result(text);
}

void AnswerPrinter::end() {
  if (wrap_) print_result(wrap_->end());
}

}  // namespace falconer
