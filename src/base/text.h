// Small text helpers: nearest name for a typo, glob match, sizes for people, escaping.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace merganser {

// The candidate nearest to `name` by edit distance, if it is near enough to be what was meant.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

// "did you mean 'density'?" or, with no near name, "known: a, b, c"; for an Error's hint.
std::string suggestion(std::string_view name, std::span<const std::string> candidates);

// Shell-style match over the whole text: * any run, ? one character, [a-z] a class, \ escapes.
// Linear-time backtracking: a hostile pattern cannot blow up.
bool glob_match(std::string_view pattern, std::string_view text);

std::string human_bytes(std::uint64_t bytes);  // decimal units, "2.20 GB"

// "256MiB", "5GB", "1.5e9", "4096": bytes. k, M, G, T are decimal; Ki, Mi, Gi, Ti binary.
// Throws Error(usage).
std::uint64_t parse_bytes(std::string_view text);

// Control characters as \n, \xHH, so that a hostile name cannot break a line or a terminal.
std::string printable(std::string_view text);

std::string join(std::span<const std::string> items, std::string_view separator);
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace merganser
