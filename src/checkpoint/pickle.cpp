#include "checkpoint/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"

namespace merganser::pickle {
namespace {

constexpr std::size_t kDeepest = std::size_t{1} << 22;  // values on the stack
constexpr std::uint64_t kMemoSlack = 65536;             // places
constexpr Id kUnset = ~Id{0};

// The opcodes and what they do are those of Python's pickletools.
class Machine {
 public:
  Machine(Input& input, Values& values) : input_(input), values_(values) {}

  Id run() {
    while (!result_) step(static_cast<unsigned char>(input_.take(1).front()));
    return *result_;
  }

 private:
  Error corrupt(std::string what) const {
    return Error(ErrorKind::corrupt,
                 fmt::format("pickle, byte {}: {}", input_.position(), std::move(what)))
        .in_file(input_.name())
        .hint("copy or download it again");
  }
  Error unsupported(std::string what) const {
    return Error(ErrorKind::unsupported,
                 fmt::format("pickle, byte {}: {}", input_.position(), std::move(what)))
        .in_file(input_.name())
        .hint("save the tensors again with torch.save or as safetensors");
  }

  void step(unsigned char opcode) {
    if (opcode >= 0x80) return step_binary(opcode);
    switch (opcode) {
      case '(':
        if (marks_.size() >= kDeepest) throw unsupported("it is nested too deeply");
        return marks_.push_back(stack_.size());
      case '.':
        result_ = pop();
        return;
      case '0':
        if (stack_.size() > floor()) {
          stack_.pop_back();
        } else {
          cut_to_mark();  // Python takes a mark here too
        }
        return;
      case '1':
        return cut_to_mark();
      case '2':
        return push(top());
      case 'N':
        return push(Values::kNone);
      case 'I':
        return push(integer_line(input_.line()));
      case 'L':
        return push(long_line(input_.line()));
      case 'F':
        (void)input_.line();
        return push(values_.add_real());
      case 'J':
        return push(values_.add_integer(static_cast<std::int32_t>(number(4))));
      case 'K':
        return push(values_.add_integer(static_cast<std::int64_t>(number(1))));
      case 'M':
        return push(values_.add_integer(static_cast<std::int64_t>(number(2))));
      case 'G':
        (void)input_.take(8);
        return push(values_.add_real());
      case 'S':
      case 'V':
        throw unsupported("text of protocol 0, which PyTorch does not write");
      case 'T':
      case 'X':
        return push_text(Kind::text, number(4));
      case 'U':
        return push_text(Kind::text, number(1));
      case 'B':
        return push_text(Kind::bytes, number(4));
      case 'C':
        return push_text(Kind::bytes, number(1));
      case 'P': {
        const Id name = values_.add_text(Kind::text, input_.line());
        return push(values_.add_pair(Kind::persistent, name, 0));
      }
      case 'Q':
        return push(values_.add_pair(Kind::persistent, pop(), 0));
      case 'R':
        return reduce();
      case 'b':
        pop();  // the state; what it would be given to stays as it is
        (void)top();
        return;
      case 'c':
        return push(global_lines());
      case 'i': {
        const Id class_name = global_lines();
        return push(values_.add_pair(Kind::call, class_name, values_.add_tuple(pop_to_mark())));
      }
      case 'o': {
        const std::span<const Id> items = pop_to_mark();
        if (items.empty()) throw corrupt("an object without a class");
        const Id class_name = items.front();
        return push(values_.add_pair(Kind::call, class_name, values_.add_tuple(items.subspan(1))));
      }
      case ')':
        return push(Values::kEmptyTuple);
      case 't':
        return push(values_.add_tuple(pop_to_mark()));
      case ']':
        return push(values_.add_container(Kind::list));
      case 'l':
        return push_filled(Kind::list, pop_to_mark());
      case '}':
        return push(values_.add_container(Kind::dict));
      case 'd':
        return push_filled(Kind::dict, pop_to_mark());
      case 'a':
        return extend(Kind::list, pop_some(1));
      case 'e':
        return extend(Kind::list, pop_to_mark());
      case 's':
        return extend(Kind::dict, pop_some(2));
      case 'u':
        return extend(Kind::dict, pop_to_mark());
      case 'g':
        return get(index_line());
      case 'h':
        return get(number(1));
      case 'j':
        return get(number(4));
      case 'p':
        return put(index_line());
      case 'q':
        return put(number(1));
      case 'r':
        return put(number(4));
      default:
        throw corrupt(fmt::format("0x{:02x} is no opcode", opcode));
    }
  }

  // The opcodes of protocols 2 to 5.
  void step_binary(unsigned char opcode) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const std::uint64_t protocol = number(1);
        if (protocol > 5) throw unsupported(fmt::format("protocol {} is unknown", protocol));
        return;
      }
      case 0x81: {  // NEWOBJ
        const Id arguments = pop();
        return push(values_.add_pair(Kind::call, pop(), arguments));
      }
      case 0x85:
      case 0x86:
      case 0x87:  // TUPLE1 to TUPLE3
        return push(values_.add_tuple(pop_some(opcode - 0x84)));
      case 0x88:
        return push(Values::kTrue);
      case 0x89:
        return push(Values::kFalse);
      case 0x8a:
        return push_long(number(1));
      case 0x8b:
        return push_long(number(4));
      case 0x8c:
        return push_text(Kind::text, number(1));
      case 0x8d:
        return push_text(Kind::text, number(8));
      case 0x8e:
      case 0x96:  // BINBYTES8, BYTEARRAY8
        return push_text(Kind::bytes, number(8));
      case 0x8f:
        return push(values_.add_container(Kind::set));
      case 0x90:
        return extend(Kind::set, pop_to_mark());
      case 0x91:
        return push_filled(Kind::set, pop_to_mark());
      case 0x92: {  // NEWOBJ_EX
        pop();
        const Id arguments = pop();
        return push(values_.add_pair(Kind::call, pop(), arguments));
      }
      case 0x93: {  // STACK_GLOBAL
        const Id name = pop(), module = pop();
        if (!values_.is(name, Kind::text) || !values_.is(module, Kind::text)) {
          throw corrupt("the name of a class or function is no text");
        }
        return push(values_.add_pair(Kind::global, module, name));
      }
      case 0x94:
        return put(memo_count_);
      case 0x95:
        (void)number(8);  // FRAME, for readers that read ahead
        return;
      default:
        throw unsupported(fmt::format("opcode 0x{:02x} is not one that PyTorch writes", opcode));
    }
  }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  void push(Id id) {
    if (stack_.size() >= kDeepest) throw unsupported("it is nested too deeply");
    stack_.push_back(id);
  }
  Id top() const {
    if (stack_.size() <= floor()) throw corrupt("it takes a value where there is none");
    return stack_.back();
  }
  Id pop() {
    const Id id = top();
    stack_.pop_back();
    return id;
  }
  // Valid until the next call of either.
  std::span<const Id> pop_some(std::size_t size) {
    if (stack_.size() - floor() < size) throw corrupt("it takes a value where there is none");
    popped_.assign(stack_.end() - static_cast<std::ptrdiff_t>(size), stack_.end());
    stack_.resize(stack_.size() - size);
    return popped_;
  }
  std::span<const Id> pop_to_mark() {
    if (marks_.empty()) throw corrupt("it goes back to a mark where there is none");
    const std::span<const Id> items = pop_some(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  void cut_to_mark() { (void)pop_to_mark(); }

  std::uint64_t number(std::size_t size) {
    return little_endian(std::as_bytes(std::span(input_.take(size))));
  }

  void push_text(Kind kind, std::uint64_t size) { push(values_.add_text(kind, input_.take(size))); }

  // Two's complement, little-endian, of any length.
  void push_long(std::uint64_t size) {
    const std::string_view bytes = input_.take(size);
    if (size > 8) return push(values_.add_text(Kind::big_integer, bytes));
    std::uint64_t value = little_endian(std::as_bytes(std::span(bytes)));
    const bool negative = size > 0 && (bytes.back() & 0x80) != 0;
    if (negative && size < 8) value |= ~std::uint64_t{0} << (8 * size);
    push(values_.add_integer(static_cast<std::int64_t>(value)));
  }

  Id integer_line(std::string_view line) {
    if (line == "00") return Values::kFalse;
    if (line == "01") return Values::kTrue;
    return long_line(line);
  }
  Id long_line(std::string_view line) {
    if (line.ends_with('L')) line.remove_suffix(1);
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (end != line.data() + line.size()) throw corrupt("a number is none");
    if (code == std::errc::result_out_of_range) return values_.add_text(Kind::big_integer, line);
    if (code != std::errc()) throw corrupt("a number is none");
    return values_.add_integer(value);
  }
  std::uint64_t index_line() {
    const std::string_view line = input_.line();
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (code != std::errc() || end != line.data() + line.size()) {
      throw corrupt("a place in the memo is no number");
    }
    return value;
  }

  Id global_lines() {
    const Id module = values_.add_text(Kind::text, input_.line());
    const Id name = values_.add_text(Kind::text, input_.line());
    return values_.add_pair(Kind::global, module, name);
  }

  void push_filled(Kind kind, std::span<const Id> items) {
    push(values_.add_container(kind));
    extend(kind, items);
  }

  // Items for the container on top. Objects of unknown classes are given items too, and ignore
  // them.
  void extend(Kind kind, std::span<const Id> items) {
    if (kind == Kind::dict && items.size() % 2 != 0) throw corrupt("a key without a value");
    const Id container = top();
    if (values_.is(container, kind)) {
      values_.extend(container, items);
    } else if (!values_.is(container, Kind::call)) {
      throw corrupt("it puts items into " + values_.describe(container));
    }
  }

  // A state dict is an OrderedDict, which is written as a call; everything else stays a call.
  void reduce() {
    const Id arguments = pop(), function = pop();
    if (!values_.is_global(function, "collections", "OrderedDict")) {
      return push(values_.add_pair(Kind::call, function, arguments));
    }
    const Id dict = values_.add_container(Kind::dict);
    const std::vector<Id> given = values_.items(arguments);
    if (!given.empty()) fill_with_pairs(dict, given.front());  // Python 2 gives a list of pairs
    push(dict);
  }
  void fill_with_pairs(Id dict, Id pairs) {
    // A list that is used often would let a few bytes stand for many items.
    if (values_.total_items() + 2 * values_.count(pairs) > input_.taken()) {
      throw unsupported("it repeats its items too often");
    }
    for (const Id pair : values_.items(pairs)) {
      if (values_.count(pair) != 2) throw corrupt("an item of a dict is no pair");
      values_.extend(dict, values_.items(pair));
    }
  }

  void get(std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kUnset) {
      throw corrupt(fmt::format("place {} of the memo is empty", index));
    }
    push(memo_[index]);
  }
  // Picklers number the places one by one, so a number far beyond the bytes read so far is hostile.
  void put(std::uint64_t index) {
    if (index > input_.taken() + kMemoSlack)
      throw corrupt(fmt::format("place {} of the memo is absurd", index));
    const Id value = top();
    if (index >= memo_.size()) memo_.resize(static_cast<std::size_t>(index) + 1, kUnset);
    memo_count_ += memo_[index] == kUnset ? 1 : 0;
    memo_[index] = value;
  }

  Input& input_;
  Values& values_;
  std::vector<Id> stack_, popped_, memo_;
  std::vector<std::size_t> marks_;
  std::uint64_t memo_count_ = 0;
  std::optional<Id> result_;
};

}  // namespace

Id read(Input& input, Values& values) {
  try {
    return Machine(input, values).run();
  } catch (Error& error) {
    error.in_file(input.name());
    throw;
  }
}

}  // namespace merganser::pickle
