#include "checkpoint/pickle.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/plural.h"

namespace falconer {
namespace {

using Kind = PickleValue::Kind;

// What torch.save may name. Each is known here as data; none is ever called.
constexpr const char* kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char* kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr const char* kOrderedDict = "collections.OrderedDict";
constexpr const char* kStorages[] = {
    "torch.FloatStorage", "torch.BFloat16Storage", "torch.HalfStorage",  "torch.DoubleStorage",
    "torch.LongStorage",  "torch.IntStorage",      "torch.ShortStorage", "torch.CharStorage",
    "torch.ByteStorage",  "torch.BoolStorage"};

// Far beyond what a state dict needs (about 20 values a tensor), and little memory.
constexpr size_t kMostValues = 1'000'000;
constexpr size_t kLongestStorage = 256;  // of a storage: "0", "1", ...

bool is_storage_class(std::string_view name) {
  return std::find(std::begin(kStorages), std::end(kStorages), name) != std::end(kStorages);
}

/// A stack machine: values are pushed, marked and gathered.
class Machine {
 public:
  explicit Machine(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Pickle run() {
    while (step()) {
    }
    pickle_.root = pop();
    return std::move(pickle_);
  }

 private:
  // ---- the bytes
  std::span<const std::byte> take(size_t count) {
    if (count > bytes_.size() - at_)
      fail("breaks off after {} {}", bytes_.size(), plural(bytes_.size(), "byte"));
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  /// Little-endian, without sign.
  uint64_t number(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }
  std::string text(size_t size) {
    const auto bytes = take(size);
    return {reinterpret_cast<const char*>(bytes.data()), size};
  }
  std::string line() {
    const size_t begin = at_;
    while (number(1) != '\n') {
    }
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, at_ - 1 - begin};
  }
  int64_t long_number(size_t size) {
    if (size > 8) fail("has a number of {} bytes", size);
    if (size == 0) return 0;
    const auto unused = static_cast<int>(64 - 8 * size);
    return static_cast<int64_t>(number(size) << unused) >> unused;
  }

  // ---- the stack
  PickleValue& push(Kind kind) {
    if (pickle_.values.size() >= kMostValues) fail("has more than {} values", kMostValues);
    stack_.push_back(static_cast<uint32_t>(pickle_.values.size()));
    pickle_.values.emplace_back().kind = kind;
    return pickle_.values.back();
  }
  /// What a few bytes of pickle can repeat must not cost much more memory than they.
  void check_room() const {
    if (stack_.size() >= kMostValues || marks_.size() >= kMostValues || memo_.size() >= kMostValues)
      fail("keeps more than {} values", kMostValues);
  }
  void push_text(uint64_t size) {
    std::string content = text(size);
    push(Kind::kText).text = std::move(content);
  }
  void push_number(Kind kind, int64_t value) { push(kind).number = value; }
  uint32_t pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
      fail("takes a value that is not there");
    const uint32_t top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::vector<uint32_t> pop_to_mark() {
    if (marks_.empty()) fail("has no mark where one is needed");
    std::vector<uint32_t> items(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<uint32_t> pop_many(size_t count) {
    std::vector<uint32_t> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  PickleValue& value(uint32_t index, Kind kind, const char* what) {
    PickleValue& found = pickle_.values[index];
    if (found.kind != kind) fail("has something else where {} is needed", what);
    return found;
  }
  /// A copy of a tuple's items. Only short ones: one long tuple may be recalled many times.
  std::vector<uint32_t> few_items(uint32_t index, const char* what) {
    const auto& items = value(index, Kind::kTuple, what).items;
    if (items.size() > 16) fail("has {} values where {} are needed", items.size(), what);
    return items;
  }
  PickleValue& top(Kind kind, const char* what) {
    stack_.push_back(pop());  // checks that it is there
    return value(stack_.back(), kind, what);
  }

  // ---- what opcodes do
  void push_tuple(std::vector<uint32_t> items) { push(Kind::kTuple).items = std::move(items); }
  void extend(Kind kind, const char* what, const std::vector<uint32_t>& items) {
    auto& target = top(kind, what).items;
    if (kind == Kind::kDict && items.size() % 2 != 0) fail("has a dict key without a value");
    target.insert(target.end(), items.begin(), items.end());
  }
  void memoize(uint64_t place) {
    const uint32_t index = pop();
    stack_.push_back(index);
    memo_[place] = index;
  }
  void recall(uint64_t place) {
    const auto it = memo_.find(place);
    if (it == memo_.end()) fail("recalls a value {} that it never kept", place);
    stack_.push_back(it->second);
  }
  void push_global(const std::string& name) {
    if (name != kOrderedDict && name != kRebuildTensor && name != kRebuildParameter &&
        !is_storage_class(name))
      fail("asks for \"{}\", which tensors do not need: it is refused, and nothing in it was run",
           printable(name));
    push(Kind::kGlobal).text = name;
  }
  void stack_global() {
    const uint32_t name = pop(), module = pop();
    push_global(value(module, Kind::kText, "a module's name").text + "." +
                value(name, Kind::kText, "a name").text);
  }

  /// ("storage", class, key, device, number of elements)
  void persistent_id() {
    const auto items = few_items(pop(), "a storage");
    if (items.size() != 5 || value(items[0], Kind::kText, "a storage's kind").text != "storage")
      fail("refers to something that is not a storage");
    const std::string type = value(items[1], Kind::kGlobal, "a storage class").text;
    if (!is_storage_class(type)) fail("has a storage of type \"{}\"", printable(type));
    const std::string& key_text = value(items[2], Kind::kText, "a storage's key").text;
    if (key_text.size() > kLongestStorage) fail("has a storage key of {} bytes", key_text.size());
    const std::string key = key_text;
    const int64_t count = value(items[4], Kind::kInt, "a storage's size").number;
    PickleValue& storage = push(Kind::kStorage);
    storage.storage_type = type.substr(type.find('.') + 1);
    storage.text = key;
    storage.number = count;
  }

  void reduce() {
    const auto arguments = few_items(pop(), "arguments");
    const std::string callable = value(pop(), Kind::kGlobal, "a known name").text;
    if (callable == kOrderedDict && arguments.empty()) {
      push(Kind::kDict);
    } else if (callable == kRebuildTensor && arguments.size() >= 4) {
      rebuild_tensor(arguments);
    } else if (callable == kRebuildParameter && !arguments.empty()) {
      value(arguments[0], Kind::kTensor, "a tensor");
      stack_.push_back(arguments[0]);
    } else {
      fail("uses {} in a way that torch.save does not", callable);
    }
  }

  /// (storage, offset, sizes, strides, ...)
  void rebuild_tensor(const std::vector<uint32_t>& arguments) {
    PickleValue tensor{.kind = Kind::kTensor};
    value(arguments[0], Kind::kStorage, "a storage");
    tensor.storage = arguments[0];
    tensor.offset = value(arguments[1], Kind::kInt, "an offset").number;
    tensor.shape = numbers(arguments[2]);
    tensor.strides = numbers(arguments[3]);
    if (tensor.shape.size() != tensor.strides.size())
      fail("has a tensor with {} sizes and {} strides", tensor.shape.size(), tensor.strides.size());
    push(Kind::kTensor) = std::move(tensor);
  }
  std::vector<int64_t> numbers(uint32_t tuple) {
    std::vector<int64_t> result;
    for (const uint32_t item : few_items(tuple, "sizes"))
      result.push_back(value(item, Kind::kInt, "a size").number);
    return result;
  }

  /// An OrderedDict's attributes (_metadata of a state_dict) are of no use here.
  void build() {
    pop();
    top(Kind::kDict, "a dict");
  }

  bool step();
  bool step_value(uint8_t code);
  bool step_container(uint8_t code);

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  Pickle pickle_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;
  std::map<uint64_t, uint32_t> memo_;
};

/// One opcode; false at the end. The letters are those of Python's pickletools.
bool Machine::step() {
  check_room();
  const auto code = static_cast<uint8_t>(number(1));
  if (step_value(code) || step_container(code)) return true;
  switch (code) {
    case 0x80:  // PROTO
      if (const auto version = number(1); version > 5) fail("is of protocol {}", version);
      return true;
    case 0x95:  // FRAME
      number(8);
      return true;
    case 'q':  // BINPUT
      return memoize(number(1)), true;
    case 'r':  // LONG_BINPUT
      return memoize(number(4)), true;
    case 0x94:  // MEMOIZE
      return memoize(memo_.size()), true;
    case 'h':  // BINGET
      return recall(number(1)), true;
    case 'j':  // LONG_BINGET
      return recall(number(4)), true;
    case 'c': {  // GLOBAL
      const std::string module = line();
      return push_global(module + "." + line()), true;
    }
    case 0x93:  // STACK_GLOBAL
      return stack_global(), true;
    case 'Q':  // BINPERSID
      return persistent_id(), true;
    case 'R':  // REDUCE
      return reduce(), true;
    case 'b':  // BUILD
      return build(), true;
    case '.':  // STOP
      return false;
    default:
      fail("has the opcode 0x{:02x}, which torch.save does not write", code);
  }
}

bool Machine::step_value(uint8_t code) {
  switch (code) {
    case 'N':  // NONE
      return push(Kind::kNone), true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      return push_number(Kind::kBool, code == 0x88), true;
    case 'J':  // BININT
      return push_number(Kind::kInt, static_cast<int32_t>(number(4))), true;
    case 'K':  // BININT1
      return push_number(Kind::kInt, static_cast<int64_t>(number(1))), true;
    case 'M':  // BININT2
      return push_number(Kind::kInt, static_cast<int64_t>(number(2))), true;
    case 0x8a:  // LONG1
      return push_number(Kind::kInt, long_number(number(1))), true;
    case 'G':  // BINFLOAT; no tensor depends on one
      return number(8), push(Kind::kFloat), true;
    case 'X':  // BINUNICODE
      return push_text(number(4)), true;
    case 0x8c:  // SHORT_BINUNICODE
      return push_text(number(1)), true;
    default:
      return false;
  }
}

bool Machine::step_container(uint8_t code) {
  switch (code) {
    case '(':  // MARK
      return marks_.push_back(stack_.size()), true;
    case ')':  // EMPTY_TUPLE
      return push_tuple({}), true;
    case 't':  // TUPLE
      return push_tuple(pop_to_mark()), true;
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      return push_tuple(pop_many(code - 0x84u)), true;
    case ']':  // EMPTY_LIST
      return push(Kind::kList), true;
    case 'a':  // APPEND
      return extend(Kind::kList, "a list", pop_many(1)), true;
    case 'e':  // APPENDS
      return extend(Kind::kList, "a list", pop_to_mark()), true;
    case '}':  // EMPTY_DICT
      return push(Kind::kDict), true;
    case 's':  // SETITEM
      return extend(Kind::kDict, "a dict", pop_many(2)), true;
    case 'u':  // SETITEMS
      return extend(Kind::kDict, "a dict", pop_to_mark()), true;
    default:
      return false;
  }
}

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes) { return Machine(bytes).run(); }

}  // namespace falconer
