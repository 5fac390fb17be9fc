#include "support/tables.h"

namespace falconer::test {
namespace {

class TablesDropout : public Tables {};

// Not within a tolerance: which elements are dropped must not depend on the CPU.
TEST_P(TablesDropout, HasTheBitsOfItsDefinition) {
  // Rows that start inside of a block of four, that cross one piece of words, and a stream whose
  // counter passes 2^32.
  for (const uint64_t first : {uint64_t{0}, uint64_t{3}, (uint64_t{1} << 34) - 150})
    for (const int64_t cols : {1, 6, 67, 2100})
      for (const bool add : {false, true}) {
        SCOPED_TRACE(fmt::format("from {}, {} columns", first, cols));
        std::vector<TestView> outs;
        const auto call = [&](const Kernels& table) {
          OpRun r(table);
          const TestView x(3, cols, dtype(), 1);
          TestView y(3, cols, dtype(), 2);
          dropout(r.run, {.x = x,
                          .y = y,
                          .p = 0.3f,
                          .stream = RandomStream(uint64_t{5} << 33, RandomPurpose::kDropout, 3, 5),
                          .first = first,
                          .add = add});
          EXPECT_TRUE(y.margin_intact());
          return y;
        };
        outs.push_back(on_host([&] { return call(scalar_kernels()); }));
        outs.push_back(call(kernels()));
        EXPECT_TRUE(same_values(outs[0].values(), outs[1].values()));
      }
}

INSTANTIATE_TEST_SUITE_P(All, TablesDropout, kEveryCase, name_of_case);

}  // namespace
}  // namespace falconer::test
