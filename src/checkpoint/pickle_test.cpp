#include "checkpoint/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "checkpoint/torch_testing.h"

namespace merganser::pickle {
namespace {

using test::complaint;
using test::little;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
namespace pickled = test::pickled;

struct Result {
  Values values;
  Id root = 0;
};

Result result_of(std::string_view text) {
  const ByteSource source = source_of(text, "f.pkl");
  Result result;
  Input input(source, 0, source.size);
  result.root = read(input, result.values);
  return result;
}

std::string refusal(std::string_view text) {
  return complaint([&] { result_of(text); });
}

// A value as text, not deeper than the tests need.
std::string shown(const Values& values, Id id, int depth = 0) {
  if (depth > 8) return "…";
  const auto items = [&](Id of) {
    std::string text;
    for (const Id item : values.items(of)) text += shown(values, item, depth + 1) + " ";
    if (!text.empty()) text.pop_back();
    return text;
  };
  switch (values.kind(id)) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return id == Values::kTrue ? "True" : "False";
    case Kind::integer:
      return std::to_string(*values.integer(id));
    case Kind::big_integer:
      return "big";
    case Kind::real:
      return "real";
    case Kind::text:
      return "'" + std::string(values.text(id)) + "'";
    case Kind::bytes:
      return "b'" + std::string(values.text(id)) + "'";
    case Kind::tuple:
      return "(" + items(id) + ")";
    case Kind::list:
      return "[" + items(id) + "]";
    case Kind::dict:
      return "{" + items(id) + "}";
    case Kind::set:
      return "set(" + items(id) + ")";
    case Kind::global:
      return values.global_name(id);
    case Kind::call:
      return shown(values, values.function(id), depth + 1) +
             shown(values, values.arguments(id), depth + 1);
    case Kind::persistent:
      return "@" + shown(values, values.reference(id), depth + 1);
  }
  return "?";
}

std::string shown(std::string_view text) {
  const Result result = result_of(text);
  return shown(result.values, result.root);
}

// What CPython 3.11's pickle.dumps writes in protocols 1 to 5.
TEST(Pickle, WhatPythonWrites) {
  // {'a': (1, 2.5, None), 'n': [-2**40, True, 2**70, 300], 's': s, 't': s, 'o': OrderedDict(x=1)},
  // with s = [1]
  for (const std::string& text : {
           std::string("}q\x00(X\x01\x00\x00\x00"
                       "aq\x01(K\x01G@\x04\x00\x00\x00\x00\x00\x00Ntq\x02X\x01\x00\x00\x00nq\x03]"
                       "q\x04(L-1099511627776L\x0aI01\x0aL1180591620717411303424L\x0aM,\x01"
                       "eX\x01\x00\x00\x00sq\x05]q\x06K\x01"
                       "aX\x01\x00\x00\x00tq\x07h\x06X\x01\x00\x00\x00oq\x08"
                       "ccollections\x0aOrderedDict\x0aq\x09)Rq\x0aX\x01\x00\x00\x00xq\x0bK\x01su.",
                       166),
           std::string(
               "\x80\x02}q\x00(X\x01\x00\x00\x00"
               "aq\x01K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x87q\x02X\x01\x00\x00\x00nq\x03]q\x04("
               "\x8a\x06\x00\x00\x00\x00\x00\xff\x88\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@M,\x01"
               "eX\x01\x00\x00\x00sq\x05]q\x06K\x01"
               "aX\x01\x00\x00\x00tq\x07h\x06X\x01\x00\x00\x00oq\x08"
               "ccollections\x0aOrderedDict\x0aq\x09)Rq\x0aX\x01\x00\x00\x00xq\x0bK\x01su.",
               141),
           std::string(
               "\x80\x03}q\x00(X\x01\x00\x00\x00"
               "aq\x01K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x87q\x02X\x01\x00\x00\x00nq\x03]q\x04("
               "\x8a\x06\x00\x00\x00\x00\x00\xff\x88\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@M,\x01"
               "eX\x01\x00\x00\x00sq\x05]q\x06K\x01"
               "aX\x01\x00\x00\x00tq\x07h\x06X\x01\x00\x00\x00oq\x08"
               "ccollections\x0aOrderedDict\x0aq\x09)Rq\x0aX\x01\x00\x00\x00xq\x0bK\x01su.",
               141),
           std::string(
               "\x80\x04\x95q\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
               "a\x94K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x87\x94\x8c\x01n\x94]\x94("
               "\x8a\x06\x00\x00\x00\x00\x00\xff\x88\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@M,\x01"
               "e\x8c\x01s\x94]\x94K\x01"
               "a\x8c\x01t\x94h\x06\x8c\x01o\x94\x8c\x0b"
               "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01x\x94K\x01su.",
               124),
           std::string(
               "\x80\x05\x95q\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
               "a\x94K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x87\x94\x8c\x01n\x94]\x94("
               "\x8a\x06\x00\x00\x00\x00\x00\xff\x88\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@M,\x01"
               "e\x8c\x01s\x94]\x94K\x01"
               "a\x8c\x01t\x94h\x06\x8c\x01o\x94\x8c\x0b"
               "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01x\x94K\x01su.",
               124),
       }) {
    EXPECT_EQ(shown(text),
              "{'a' (1 real None) 'n' [-1099511627776 True big 300] 's' [1] 't' [1] 'o' {'x' 1}}");
  }
  // {'b': b'xy', 'e': {3}, 'f': frozenset([4]), 'r': range(3)}
  for (const std::string& text : {
           std::string("\x80\x04\x95"
                       "D\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
                       "b\x94"
                       "C\x02xy\x94\x8c\x01"
                       "e\x94\x8f\x94(K\x03\x90\x8c\x01"
                       "f\x94(K\x04\x91\x94\x8c\x01r\x94\x8c\x08"
                       "builtins\x94\x8c\x05range\x94\x93\x94K\x00K\x03K\x01\x87\x94R\x94u.",
                       79),
           std::string("\x80\x05\x95"
                       "D\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
                       "b\x94"
                       "C\x02xy\x94\x8c\x01"
                       "e\x94\x8f\x94(K\x03\x90\x8c\x01"
                       "f\x94(K\x04\x91\x94\x8c\x01r\x94\x8c\x08"
                       "builtins\x94\x8c\x05range\x94\x93\x94K\x00K\x03K\x01\x87\x94R\x94u.",
                       79),
       }) {
    EXPECT_EQ(shown(text), "{'b' b'xy' 'e' set(3) 'f' set(4) 'r' builtins.range(0 3 1)}");
  }
}

TEST(Pickle, Numbers) {
  EXPECT_EQ(shown("J\xfe\xff\xff\xff."), "-2");
  EXPECT_EQ(shown("M\xff\xff."), "65535");
  EXPECT_EQ(shown("I-12\n."), "-12");
  EXPECT_EQ(shown("I01\n."), "True");
  EXPECT_EQ(shown("L77L\n."), "77");
  EXPECT_EQ(shown("L123456789012345678901234567890L\n."), "big");
  EXPECT_EQ(shown("F1.5\n."), "real");
  EXPECT_EQ(shown(std::string("\x8a\0.", 3)), "0");
  EXPECT_EQ(shown("\x8a\x01\xff."), "-1");
  EXPECT_EQ(shown("\x8a\x08" + little(1, 7) + "\x80."), "-9223372036854775807");
  EXPECT_EQ(shown("\x8a\x09" + little(1, 8) + "\x01."), "big");
}

TEST(Pickle, ContainersAndTheirMemo) {
  EXPECT_EQ(shown("(K\x01K\x02lp0\ng0\n\x86."), "([1 2] [1 2])");
  EXPECT_EQ(shown("(K\x01K\x02"
                  "d."),
            "{1 2}");
  EXPECT_EQ(shown("]q\x05K\x01"
                  "ah\x05K\x02"
                  "a\x86."),
            "([1 2] [1 2])");                          // one list, known twice
  EXPECT_EQ(shown("(K\x01\x32K\x02\x30t."), "(1 1)");  // DUP, POP
  EXPECT_EQ(shown("K\x07(K\x01K\x02\x31."), "7");      // POP_MARK
  EXPECT_EQ(shown("(K\x01\x91."), "set(1)");           // FROZENSET
  // Python 2 writes an ordered dict with its items as a list of pairs.
  EXPECT_EQ(shown("ccollections\nOrderedDict\n((lU\x01kK\x01\x86"
                  "atR."),
            "{'k' 1}");
}

TEST(Pickle, WhatWouldBeCalledIsOnlyNamed) {
  EXPECT_EQ(shown("cos\nsystem\nU\x0atouch here\x85R."), "os.system('touch here')");
  EXPECT_EQ(shown("c__builtin__\neval\nU\x01x\x85R."), "__builtin__.eval('x')");
  EXPECT_EQ(shown("\x8c\x08"
                  "builtins\x8c\x04"
                  "exec\x93\x8c\x01x\x85R."),
            "builtins.exec('x')");
  EXPECT_EQ(shown("cpkg\nClass\n)\x81}U\x01xK\x01sb."), "pkg.Class()");  // NEWOBJ, BUILD
  EXPECT_EQ(shown("cpkg\nClass\n)}\x92."), "pkg.Class()");               // NEWOBJ_EX
  EXPECT_EQ(shown("(K\x01ipkg\nClass\n."), "pkg.Class(1)");              // INST
  EXPECT_EQ(shown("(cpkg\nClass\nK\x01o."), "pkg.Class(1)");             // OBJ
  EXPECT_EQ(shown("cpkg\nList\n)\x81K\x01"
                  "aK\x02K\x03s."),
            "pkg.List()");  // items are ignored
  EXPECT_EQ(shown("(U\x01xK\x01tQ."), "@('x' 1)");
  EXPECT_EQ(shown("Pname\n."), "@'name'");
}

TEST(Pickle, OnlyThePicklesOwnBytesAreTaken) {
  const std::string text = "K\x01.K\x02.rest";
  const ByteSource source = source_of(text, "f");
  Input input(source, 0, source.size);
  Values values;
  EXPECT_EQ(values.integer(read(input, values)), 1);
  EXPECT_EQ(values.integer(read(input, values)), 2);
  EXPECT_EQ(input.position(), 6u);
}

TEST(Pickle, LongTextsCrossTheWindow) {
  const std::string a(100'000, 'a'), b(300'000, 'b');
  const Result result = result_of("(" + pickled::text(a) + pickled::text(b) + "K\x01t.");
  const std::vector<Id> items = result.values.items(result.root);
  EXPECT_EQ(result.values.text(items[0]), a);
  EXPECT_EQ(result.values.text(items[1]), b);
  EXPECT_EQ(result.values.integer(items[2]), 1);
}

TEST(PickleRefuses, LengthsBeyondTheFileBeforeAllocating) {
  for (const std::string& text : std::vector<std::string>{
           "\x8b" + little(0x7fffffff, 4), "\x8b" + little(0xffffffff, 4),
           "X" + little(0xffffffff, 4) + "x", "T" + little(0x7fffffff, 4),
           "B" + little(0xffffffff, 4), "\x8d" + little(~std::uint64_t{0}, 8),
           "\x8e" + little(std::uint64_t{1} << 62, 8), "\x96" + little(1000, 8),
           "\x8c\xff"
           "abc"}) {
    EXPECT_THAT(refusal(text + "."), AllOf(StartsWith("corrupt: "), HasSubstr("are there")));
  }
}

TEST(PickleRefuses, WhatIsNoPickle) {
  EXPECT_THAT(refusal(""), HasSubstr("it needs 1 more bytes, 0 are there"));
  EXPECT_THAT(refusal("."), HasSubstr("takes a value where there is none"));
  for (const char* text : {"0.", "2.", "R.", "NR.", "a.", "Na.", "\x85.", "K\x01\x86.", "Q.", "b.",
                           "Nb.", "\x81.", "N\x81.", "s.", "Ns.", "q\x01.", "(K\x01s."}) {
    EXPECT_THAT(refusal(text),
                AllOf(StartsWith("corrupt: "),
                      testing::AnyOf(HasSubstr("where there is none"), HasSubstr("are there"))))
        << text;
  }
  for (const char* text : {"t.", "l.", "d.", "u.", "e.", "1.", "o.", "\x90.", "\x91."}) {
    EXPECT_THAT(refusal(text), HasSubstr("goes back to a mark where there is none")) << text;
  }
  EXPECT_THAT(refusal("(K\x01"
                      "d."),
              HasSubstr("a key without a value"));
  EXPECT_THAT(refusal("(o."), HasSubstr("an object without a class"));
  EXPECT_THAT(refusal(")K\x01"
                      "a."),
              HasSubstr("puts items into a tuple"));
  EXPECT_THAT(refusal("NK\x01K\x02s."), HasSubstr("puts items into None"));
  EXPECT_THAT(refusal("NN\x93."), HasSubstr("is no text"));
  EXPECT_THAT(refusal("h\x05."), HasSubstr("place 5 of the memo is empty"));
  EXPECT_THAT(refusal("Nr\xff\xff\xff\xff."), HasSubstr("place 4294967295 of the memo is absurd"));
  EXPECT_THAT(refusal("Np-1\n."), HasSubstr("is no number"));
  EXPECT_THAT(refusal("Ix\n."), HasSubstr("a number is none"));
  EXPECT_THAT(refusal("\xff."), HasSubstr("opcode 0xff is not one"));
  EXPECT_THAT(refusal("\x80\x06."), HasSubstr("protocol 6 is unknown"));
  EXPECT_THAT(refusal("S'x'\n."), HasSubstr("text of protocol 0"));
  EXPECT_THAT(refusal("c" + std::string(100'000, 'x')), HasSubstr("does not end within 4096"));
  EXPECT_THAT(refusal("\x82\x01."), StartsWith("unsupported: "));  // an extension's code
  EXPECT_THAT(refusal("\x97."), StartsWith("unsupported: "));      // a buffer elsewhere
}

TEST(PickleHostile, DepthCostsNothing) {
  constexpr std::size_t depth = 100'000;
  std::string text = "N";
  for (std::size_t i = 0; i < depth; ++i) text += "\x85";
  EXPECT_EQ(result_of(text + ".").values.size(), depth + 4);
  text = "]";
  for (std::size_t i = 0; i < depth; ++i) text += "]";
  for (std::size_t i = 0; i < depth; ++i) text += "a";
  EXPECT_EQ(result_of(text + ".").values.count(result_of(text + ".").root), 1u);
  EXPECT_THAT(refusal(std::string(depth, '(')), HasSubstr("are there"));
  EXPECT_THAT(refusal(std::string(std::size_t{5} << 20, '(')), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal("N" + std::string(std::size_t{5} << 20, '2')), HasSubstr("too deeply"));
}

// Each of these stands for 2^64 and more values if it is written out.
TEST(PickleHostile, DoublingCostsNothing) {
  std::string text = "N";
  for (int i = 0; i < 200; ++i) text += "2\x86";  // a pair of the value with itself
  EXPECT_EQ(result_of(text + ".").values.size(), 204u);
  text = "]q" + std::string(1, '\0');
  for (char i = 1; i < 100; ++i) {  // [[…, …], …] by way of the memo
    const std::string before(1, static_cast<char>(i - 1));
    text += "](h" + before + "h" + before + "h" + before + "eq" + i;
  }
  EXPECT_EQ(result_of(text + ".").values.size(), 104u);
}

TEST(PickleHostile, AListThatHoldsItself) {
  const Result result = result_of(std::string("]q\0h\0a.", 7));
  EXPECT_EQ(result.values.items(result.root), std::vector<Id>{result.root});
}

// A few bytes each time, which copy a list of many pairs.
TEST(PickleHostile, RepeatedCopiesOfItems) {
  std::string text = "(";
  for (int i = 0; i < 1000; ++i) text += "NN\x86";
  text += "lq" + std::string(1, '\0') + "ccollections\nOrderedDict\nq\x01";
  for (int i = 0; i < 1000; ++i) text += std::string("h\x01h\0\x85R", 6);
  EXPECT_THAT(refusal(text + "."), HasSubstr("repeats its items too often"));
}

TEST(PickleHostile, MoreThanAnyCheckpointHolds) {
  std::string text;
  for (std::size_t i = 0; i <= Values::kMost; ++i) text += "]0";
  EXPECT_THAT(refusal(text),
              AllOf(StartsWith("unsupported: f.pkl: "), HasSubstr("more than 16777216 values")));
  text = "}";
  for (std::size_t i = 0; i <= Values::kMostItems / 2; ++i) text += "NNs";
  EXPECT_THAT(refusal(text),
              AllOf(StartsWith("unsupported: f.pkl: "), HasSubstr("more than 33554432 items")));
}

TEST(PickleHostile, BytesChangedAtRandom) {
  const std::string whole = pickled::whole(pickled::dict(
      {{"w", pickled::tensor({"0", "FloatStorage", 4, 0, {2, 2}, {2, 1}})},
       {"x", pickled::call(pickled::global("a", "b"), {pickled::number(5), "N", "]"})}}));
  std::uint32_t state = 1;
  const auto random = [&] { return state = state * 1664525 + 1013904223, state >> 8; };
  int read_well = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    read_well += refusal(text) == "no error";
  }
  EXPECT_GT(read_well, 100);  // changed letters and numbers
}

}  // namespace
}  // namespace merganser::pickle
