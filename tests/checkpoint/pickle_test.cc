#include "checkpoint/pickle.h"

#include "support/errors.h"

namespace falconer::test {
namespace {

Pickle read(const std::string& text) {
  return read_pickle({reinterpret_cast<const std::byte*>(text.data()), text.size()});
}

std::string with_zeros(const char* text, size_t size) { return {text, size}; }
#define BYTES(text) with_zeros(text, sizeof(text) - 1)

// ("storage", FloatStorage, "0", "cpu", 6) as torch.save refers to it.
const std::string kStorage = "(" + BYTES("X\7\0\0\0storage") + "ctorch\nFloatStorage\n" +
                             BYTES("X\1\0\0\0000") + BYTES("X\3\0\0\0cpu") + "K\6tQ";

TEST(Pickle, ReadsATensor) {
  const Pickle pickle =
      read("\x80\2}" + BYTES("X\1\0\0\0w") + "ctorch._utils\n_rebuild_tensor_v2\n(" + kStorage +
           BYTES("K\1K\2K\2\x86K\2K\1\x86\x89") + "ccollections\nOrderedDict\n)RtRs.");
  const PickleValue& dict = pickle[pickle.root];
  ASSERT_EQ(dict.items.size(), 2u);
  EXPECT_EQ(pickle[dict.items[0]].text, "w");
  const PickleValue& tensor = pickle[dict.items[1]];
  EXPECT_EQ(tensor.kind, PickleValue::Kind::kTensor);
  EXPECT_EQ(tensor.offset, 1);
  EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(tensor.strides, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(pickle[tensor.storage].text, "0");
  EXPECT_EQ(pickle[tensor.storage].storage_type, "FloatStorage");
}

TEST(Pickle, RefusesToRunAnything) {
  expect_mentions(message_of([] { read("\x80\2cos\nsystem\n(X\2\0\0\0lstR."); }), {"os.system"});
  expect_mentions(message_of([] { read("\x80\4\x8c\2os\x8c\6system\x93."); }), {"os.system"});
  expect_mentions(message_of([] { read("\x80\2i__builtin__\neval\n."); }), {"opcode 0x69"});
  expect_mentions(message_of([] { read("\x80\2ctorch\nload\n."); }), {"torch.load"});
}

TEST(Pickle, EveryTruncationIsAnError) {
  const std::string whole = "\x80\2}" + BYTES("X\1\0\0\0w") + "(" + kStorage + "K\1ts.";
  EXPECT_NO_THROW(read(whole));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(read(whole.substr(0, size)), Error) << size << " bytes";
}

TEST(Pickle, CirclesAndWrongStacksDoNoHarm) {
  EXPECT_NO_THROW(read("]q" + BYTES("\0h\0a."))) << "a list in itself";
  for (const char* wrong : {".", "t.", "a.", "R.", "s.", "b.", "Q.", "h\5.", "\x86.", "}K\1s."})
    EXPECT_THROW(read(wrong), Error) << wrong;
  EXPECT_THROW(read("\x80\t."), Error);
}

// A byte or two of pickle cost up to two hundred of memory: what they may repeat is bounded.
TEST(Pickle, RepeatedValuesAreBounded) {
  const auto repeated = [](char code) { return std::string(1'000'001, code); };
  for (const char code : {'N', '(', ']'})
    expect_mentions(message_of([&] { read(repeated(code)); }), {"more than 1000000 values"});
  expect_mentions(message_of([&] { read("N" + repeated('\x94')); }), {"more than 1000000 values"});
  std::string recalls = "]q" + BYTES("\0");
  for (int i = 0; i < 1'000'000; ++i) recalls += BYTES("h\0");
  expect_mentions(message_of([&] { read(recalls); }), {"more than 1000000 values"});
}

// Long tuples and keys are kept once, however often they are recalled.
TEST(Pickle, WhatIsCopiedIsShort) {
  std::string tuple = "(";
  for (int i = 0; i < 17; ++i) tuple += "K\1";
  expect_mentions(message_of([&] { read(tuple + "tQ."); }), {"17 values", "a storage"});
  expect_mentions(message_of([&] { read("ccollections\nOrderedDict\n" + tuple + "tR."); }),
                  {"17 values", "arguments"});
  const std::string key(300, '0');
  expect_mentions(message_of([&] {
                    read("(" + BYTES("X\7\0\0\0storage") + "ctorch\nFloatStorage\n" +
                         BYTES("X\x2c\1\0\0") + key + BYTES("X\3\0\0\0cpu") + "K\6tQ.");
                  }),
                  {"300 bytes"});
  expect_mentions(message_of([&] { read("cos\x1b[2J" + std::string(1000, 'x') + "\ny\n."); }),
                  {"\"os?[2Jxx", "x...\""});
}

TEST(Pickle, NumbersKeepTheirSign) {
  const Pickle pickle = read(
      "(J\xff\xff\xff\xff\x8a\1\xfeM\xff\xff"
      "K\xff\x8a" +
      BYTES("\0t."));
  std::vector<int64_t> numbers;
  for (const uint32_t item : pickle[pickle.root].items) numbers.push_back(pickle[item].number);
  EXPECT_EQ(numbers, (std::vector<int64_t>{-1, -2, 65535, 255, 0}));
}

}  // namespace
}  // namespace falconer::test
