// What the figures say, in words: each sentence with the numbers that it rests on.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyze/analysis.h"

namespace merganser {

struct Advice {
  std::string topic;  // base, location, conflict, rank, method, smile, caution
  std::string level;  // info, note, warning
  std::string text;   // one or two sentences
  std::vector<std::pair<std::string, double>> numbers;
};

using AdviceList = std::vector<Advice>;

// Warnings first, else in the order of the rules (advice.cpp).
AdviceList advise(const Analysis& analysis);

}  // namespace merganser
