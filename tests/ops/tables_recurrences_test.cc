// Kernels that go along a sequence, of every table, against the readable definition.
#include "base/threads.h"
#include "support/scan_case.h"
#include "support/tables.h"

namespace falconer::test {
namespace {

class TablesRecurrences : public Tables {};

const std::vector<StateSpan> kManySpans = spans_of({0, 1, 63, 64, 65, 200, 2}, 1);

/// What a backward gives behind its forward.
std::vector<TestView> scan_gradients(falconer::Run& run, ScanOp op) {
  scan_forward(run, op.forward());
  scan_backward(run, op.backward());
  return list(std::move(op.dx), std::move(op.ddt), std::move(op.db), std::move(op.dc),
              std::move(op.da_log), std::move(op.dd), std::move(op.ddt_bias));
}

TEST_P(TablesRecurrences, Conv1d) {
  for (const int64_t channels : {1, 7, 40, 131})
    for (const int64_t taps : {1, 2, 4}) {
      if (channels == 131 && taps != 4) continue;
      SCOPED_TRACE(fmt::format("{} channels, {} taps", channels, taps));
      compare(
          [&](falconer::Run& run) {
            std::vector<StateSpan> spans = kManySpans;
            const int64_t n = rows_of(spans);
            const TestView x(n, channels, dtype(), 1), w(channels, taps, Dtype::kF32, 2),
                b(1, channels, Dtype::kF32, 3), dy(n, channels, dtype(), 4);
            std::vector<TestView> out = list(
                TestView(n, channels, dtype(), 5), TestView(4, (taps - 1) * channels, dtype(), 6),
                TestView(n, channels, dtype(), 7), TestView(channels, taps), TestView(1, channels),
                TestView(n, channels, dtype(), 8));
            conv1d_backward(run, {.x = x,
                                  .w = w,
                                  .b = taps == 2 ? View{} : b.view(),
                                  .dy = dy,
                                  .dx = out[2],
                                  .dw = out[3],
                                  .db = out[4],
                                  .spans = spans});
            // Of what is frozen, dx alone.
            conv1d_backward(run, {.x = x,
                                  .w = w,
                                  .b = taps == 2 ? View{} : b.view(),
                                  .dy = dy,
                                  .dx = out[5],
                                  .spans = spans});
            spans[1].slot = 0;
            spans[2] = {
                .begin = spans[2].begin, .count = 63, .slot = 1, .copy_after = 2, .copy_slot = 3};
            spans[6].slot = 2;
            spans[1].first = spans[6].first = false;
            conv1d_forward(run, {.x = x,
                                 .w = w,
                                 .b = taps == 2 ? View{} : b.view(),
                                 .y = out[0],
                                 .tails = out[1],
                                 .spans = spans});
            return out;
          },
          256);
    }
}

constexpr ScanShape kTableScans[] = {{1, 1, 1, 1}, {2, 3, 5, 1}, {4, 16, 32, 2}, {3, 20, 40, 1}};

TEST_P(TablesRecurrences, ScanForward) {
  for (const ScanShape& s : kTableScans)
    for (const bool as_many : {false, true})
      compare(
          [&](falconer::Run& run) {
            run.as_many = as_many;
            std::vector<StateSpan> spans = kManySpans;
            spans[1] = {.begin = spans[1].begin, .count = 1, .slot = 0, .first = false};
            spans[3] = {.begin = spans[3].begin, .count = 64, .slot = 1};
            spans[5] = {.begin = spans[5].begin,
                        .count = 200,
                        .slot = 2,
                        .first = false,
                        .copy_after = 128,
                        .copy_slot = 3};
            ScanOp op(s, spans, dtype(), 4);
            scan_forward(run, op.forward());
            return list(std::move(op.y), std::move(op.entries), std::move(op.states));
          },
          512);
}

TEST_P(TablesRecurrences, ScanBackward) {
  for (const ScanShape& s : kTableScans) {
    SCOPED_TRACE(fmt::format("{} heads of {} x {}, {} groups", s.heads, s.size, s.width, s.groups));
    compare([&](falconer::Run& run) { return scan_gradients(run, ScanOp(s, kManySpans, dtype())); },
            2048);
  }
}

// Whole vectors and several of them, more heads than parts that they are summed in.
TEST_P(TablesRecurrences, ScanOfAModelsShape) {
  if (on_device()) GTEST_SKIP() << "it takes an emulated device minutes";
  for (const ScanShape& s : {ScanShape{18, 64, 128, 2}, ScanShape{2, 128, 256, 1}})
    compare(
        [&](falconer::Run& run) {
          ScanOp op(s, spans_of({70, 9}), dtype());
          scan_forward(run, op.forward());
          scan_backward(run, op.backward());
          return list(std::move(op.y), std::move(op.dx), std::move(op.ddt), std::move(op.db),
                      std::move(op.dc), std::move(op.da_log), std::move(op.dd),
                      std::move(op.ddt_bias));
        },
        4096);
}

// More chunks than a device takes in one pass.
TEST_P(TablesRecurrences, ScanBackwardOfALongSequence) {
  compare(
      [&](falconer::Run& run) {
        return scan_gradients(run, ScanOp({2, 2, 3, 1}, spans_of({3, 1500}), dtype()));
      },
      4096);
}

// No exponential of a large number, and none of a difference of the wrong sign.
TEST_P(TablesRecurrences, ScanOfTimesFarOutIsFinite) {
  const ScanShape s{2, 4, 8, 1};
  ScanNumbers in(s, 130);
  for (int64_t t = 0; t < 130; ++t) {
    in.dt(t, 0) = t % 3 == 0 ? 90 : -90;
    in.dt(t, 1) = t % 2 == 0 ? 300 : 25;
  }
  in.a_log(0, 0) = 4, in.a_log(0, 1) = -8;
  compare(
      [&](falconer::Run& run) {
        ScanOp op(s, in, spans_of({130}), dtype());
        scan_forward(run, op.forward());
        scan_backward(run, op.backward());
        return list(std::move(op.y), std::move(op.dx), std::move(op.ddt), std::move(op.db),
                    std::move(op.dc), std::move(op.da_log), std::move(op.dd),
                    std::move(op.ddt_bias));
      },
      4096);
}

/// Every byte of both directions.
std::vector<Block<double>> all_of(const ScanOp& op) {
  std::vector<Block<double>> all = {op.y.values(), op.entries.values()};
  for (const TestView* out : op.gradients()) all.push_back(out->values());
  return all;
}

TEST_P(TablesRecurrences, ResultsAreTheSameAtAnyThreadCount) {
  if (on_device()) GTEST_SKIP() << "the host's threads do not compute there";
  const ScanShape s{6, 20, 24, 2};
  const std::vector<StateSpan> spans = spans_of({70, 200, 1});
  const int before = thread_count();
  std::vector<std::vector<Block<double>>> all;
  for (const int threads : {1, 2, 3, 7}) {
    set_thread_count(threads);
    OpRun fast(kernels());
    const ScanOp op(s, spans, dtype());
    scan_forward(fast.run, op.forward());
    scan_backward(fast.run, op.backward());
    all.push_back(all_of(op));
    const TestView x(rows_of(spans), 37, dtype(), 1), w(37, 4, Dtype::kF32, 2),
        dy(rows_of(spans), 37, dtype(), 3), dx(rows_of(spans), 37, dtype(), 4),
        dw(37, 4, Dtype::kF32, 5), db(1, 37, Dtype::kF32, 6);
    conv1d_backward(fast.run,
                    {.x = x, .w = w, .dy = dy, .dx = dx, .dw = dw, .db = db, .spans = spans});
    for (const TestView* out : {&dx, &dw, &db}) all.back().push_back(out->values());
  }
  set_thread_count(before);
  for (const auto& one : all)
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_values(one[i], all[0][i])) << i;
}

// What serving relies on: a prompt that is read in parts, beside others, gives the bytes of the whole.
TEST_P(TablesRecurrences, PartsOfASequenceGiveItsBytes) {
  const ScanShape s{4, 20, 24, 2};
  const ScanNumbers in(s, 300);
  const ScanOp whole(s, in, spans_of({300}), dtype());
  OpRun fast(kernels());
  fast.run.as_many = true;
  scan_forward(fast.run, whole.forward());
  const ScanOp parts(s, in, {}, dtype(), 2);
  const auto part = [&](const std::vector<StateSpan>& spans) {
    ScanForward args = parts.forward(false);
    args.spans = spans;
    scan_forward(fast.run, args);
  };
  part({{.begin = 0, .count = 64, .slot = 0}, {.begin = 250, .count = 50, .slot = 1}});
  part({{.begin = 200, .count = 10}, {.begin = 64, .count = 128, .slot = 0, .first = false}});
  part({{.begin = 192, .count = 108, .slot = 0, .first = false}});
  EXPECT_TRUE(same_values(parts.y.values(), whole.y.values()));
  // A last part of one row too.
  const ScanOp one(s, ScanNumbers(s, 65), {}, dtype(), 2),
      all(s, ScanNumbers(s, 65), spans_of({65}), dtype());
  scan_forward(fast.run, all.forward());
  for (const StateSpan& span : {StateSpan{.begin = 0, .count = 64, .slot = 1},
                                StateSpan{.begin = 64, .count = 1, .slot = 1, .first = false}}) {
    ScanForward args = one.forward(false);
    args.spans = {&span, 1};
    scan_forward(fast.run, args);
  }
  EXPECT_TRUE(same_values(one.y.values(), all.y.values()));
}

INSTANTIATE_TEST_SUITE_P(All, TablesRecurrences, kEveryCase, name_of_case);

}  // namespace
}  // namespace falconer::test
