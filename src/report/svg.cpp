#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace merganser {
namespace {

// Of a chart with its labels, and of the plot within.
constexpr double kWidth = 420, kLineHeight = 280, kMapHeight = 360;
constexpr double kLeft = 58, kRight = 16, kTop = 34, kBottom = 44;
constexpr double kGap = 12, kLegendLine = 20;

constexpr const char* kStyle = R"(<style>
.page{fill:#ffffff}.ink{fill:#1b1f24}.soft{fill:#545c66}.grid{stroke:#dde1e6}.axis{stroke:#545c66}
.c0{stroke:#0072b2}.c1{stroke:#c8500a}.c2{stroke:#00795a}.c3{stroke:#a5478a}
.c4{stroke:#8a6d00}.c5{stroke:#5a4fb0}.c6{stroke:#6b6b6b}.c7{stroke:#8f1d2c}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.level{stroke:#1b1f24;stroke-opacity:.45;fill:none}
.place{fill:#ffffff;stroke:#1b1f24;stroke-width:1.5}.halo{stroke:#ffffff;stroke-width:3;paint-order:stroke}
text{font:12px system-ui,"Segoe UI","Liberation Sans",Arial,sans-serif}.title{font-weight:600;font-size:13px}
@media (prefers-color-scheme:dark){
.page{fill:#1c2027}.ink{fill:#e6e9ee}.soft{fill:#a5adb8}.grid{stroke:#343a44}.axis{stroke:#a5adb8}
.c0{stroke:#56b4e9}.c1{stroke:#f0914d}.c2{stroke:#3fc79a}.c3{stroke:#dd94c4}
.c4{stroke:#e2c044}.c5{stroke:#a79ff0}.c6{stroke:#b9b9b9}.c7{stroke:#ef7d87}}
</style>
)";

// Also what XML cannot hold at all, such as other control characters, becomes a question mark.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

struct Scale {
  double low, high, from, to;
  double operator()(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

struct Frame {
  Scale x, y;
  double left, top, right, bottom;
};

std::string text(double x, double y, const std::string& words, const char* anchor,
                 const char* classes) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>)"
                     "\n",
                     x, y, anchor, classes, escaped(words));
}

std::string line(double x1, double y1, double x2, double y2, const std::string& attributes) {
  return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" {}/>)"
                     "\n",
                     x1, y1, x2, y2, attributes);
}

// A number as an axis shows it: no "-0", no digits that rounding made.
std::string tick_text(double value) {
  const std::string shown = fmt::format("{:.4g}", value);
  return shown == "-0" ? "0" : shown;
}

Frame frame_of(double left, double top, double height, std::pair<double, double> x,
               std::pair<double, double> y) {
  Frame frame{{}, {}, left + kLeft, top + kTop, left + kWidth - kRight, top + height - kBottom};
  frame.x = {x.first, x.second, frame.left, frame.right};
  frame.y = {y.first, y.second, frame.bottom, frame.top};
  return frame;
}

template <typename Chart>
std::string axes(const Frame& frame, const Chart& chart, bool grid) {
  std::string out = text(frame.left, frame.top - 14, chart.title, "start", "ink title");
  for (const double tick : axis_ticks(frame.y.low, frame.y.high, 5)) {
    const double y = frame.y(tick);
    if (grid) out += line(frame.left, y, frame.right, y, R"(class="grid")");
    out += text(frame.left - 6, y + 4, tick_text(tick), "end", "soft");
  }
  for (const double tick : axis_ticks(frame.x.low, frame.x.high, 5)) {
    const double x = frame.x(tick);
    out += line(x, frame.bottom, x, frame.bottom + 4, R"(class="axis")");
    out += text(x, frame.bottom + 17, tick_text(tick), "middle", "soft");
  }
  if (grid) out += line(frame.left, frame.bottom, frame.right, frame.bottom, R"(class="axis")");
  out += text((frame.left + frame.right) / 2, frame.bottom + 35, chart.x_label, "middle", "soft");
  out += text(frame.right, frame.top - 14, chart.y_label, "end", "soft");
  return out;
}

std::string line_classes(const LineChart::Series& series) {
  const char* dash = series.dotted   ? R"( stroke-dasharray="1.5 3")"
                     : series.dashed ? R"( stroke-dasharray="6 4")"
                                     : "";
  return fmt::format(R"(class="line c{}"{})", series.color % 8, dash);
}

std::pair<double, double> extent(double low, double high) {
  if (!(low <= high)) return {0, 1};
  if (low == high) {
    const double room = low == 0 ? 1 : std::abs(low) / 2;
    return {low - room, high + room};
  }
  return {low, high};
}

std::string drawn(const LineChart& chart, double left, double top) {
  double low = std::numeric_limits<double>::infinity(), high = -low, first = low, last = high;
  for (const auto& series : chart.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      first = std::min(first, series.x[i]);
      last = std::max(last, series.x[i]);
      if (!std::isfinite(series.y[i])) continue;
      low = std::min(low, series.y[i]);
      high = std::max(high, series.y[i]);
    }
  }
  auto y = extent(low, high);
  const double room = (y.second - y.first) * 0.06;
  // Losses and errors are never below 0: the axis is not either.
  y = {low >= 0 ? std::max(0.0, y.first - room) : y.first - room, y.second + room};
  const Frame frame = frame_of(left, top, kLineHeight, extent(first, last), y);
  std::string out = axes(frame, chart, true);
  for (const auto& series : chart.series) {
    std::string points;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.y[i])) continue;
      points += fmt::format("{:.1f},{:.1f} ", frame.x(series.x[i]), frame.y(series.y[i]));
    }
    out += fmt::format("<polyline points=\"{}\" {}/>\n", points, line_classes(series));
  }
  return out;
}

// From the surface's own colour to a strong one through a middle, the same on light and dark pages.
std::string map_color(double share) {
  static constexpr std::array<std::array<double, 3>, 4> kStops = {
      {{13, 50, 80}, {47, 127, 140}, {150, 200, 150}, {245, 240, 200}}};
  const double at = std::clamp(share, 0.0, 1.0) * (kStops.size() - 1);
  const auto stop = std::min(static_cast<std::size_t>(at), kStops.size() - 2);
  const double part = at - static_cast<double>(stop);
  std::array<int, 3> color{};
  for (std::size_t i = 0; i < 3; ++i) {
    color[i] =
        static_cast<int>(std::lround(kStops[stop][i] * (1 - part) + kStops[stop + 1][i] * part));
  }
  return fmt::format("#{:02x}{:02x}{:02x}", color[0], color[1], color[2]);
}

std::string drawn(const MapChart& chart, double left, double top) {
  const double dx = chart.x[1] - chart.x[0], dy = chart.y[1] - chart.y[0];
  const Frame frame =
      frame_of(left, top, kMapHeight, {chart.x.front() - dx / 2, chart.x.back() + dx / 2},
               {chart.y.front() - dy / 2, chart.y.back() + dy / 2});
  std::vector<double> known;
  for (const double value : chart.values) {
    if (std::isfinite(value)) known.push_back(value);
  }
  std::string out = axes(frame, chart, false);
  if (known.empty()) return out;
  std::ranges::sort(known);
  // Far outside the models a loss can be a hundred times theirs: colours go by rank, so that the
  // valley between them has some.
  const auto share = [&](double value) {
    const auto below = std::ranges::lower_bound(known, value) - known.begin();
    return known.size() < 2 ? 0.0
                            : static_cast<double>(below) / static_cast<double>(known.size() - 1);
  };
  for (std::size_t j = 0; j < chart.y.size(); ++j) {
    for (std::size_t i = 0; i < chart.x.size(); ++i) {
      const double value = chart.values[j * chart.x.size() + i];
      if (!std::isfinite(value)) continue;
      const double x = frame.x(chart.x[i] - dx / 2), y = frame.y(chart.y[j] + dy / 2);
      out += fmt::format(
          R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}"><title>{:.4g}</title></rect>)"
          "\n",
          x, y, frame.x(chart.x[i] + dx / 2) - x + 0.3, frame.y(chart.y[j] - dy / 2) - y + 0.3,
          map_color(share(value)), value);
    }
  }
  for (int level = 1; level < 8; ++level) {
    const double at = known[known.size() * static_cast<std::size_t>(level) / 8];
    std::string path;
    for (const auto& [x1, y1, x2, y2] : level_segments(chart, at)) {
      path += fmt::format("M{:.1f} {:.1f}L{:.1f} {:.1f}", frame.x(x1), frame.y(y1), frame.x(x2),
                          frame.y(y2));
    }
    if (!path.empty()) {
      out += fmt::format("<path class=\"level\" d=\"{}\"><title>{:.4g}</title></path>\n", path, at);
    }
  }
  for (const auto& place : chart.places) {
    const double x = frame.x(place.x), y = frame.y(place.y);
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\" class=\"place\"/>\n", x, y);
    out += fmt::format(
        R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" class="halo title" fill="#1b1f24">{}</text>)"
        "\n",
        x, y - 9, escaped(place.name));
  }
  return out;
}

std::string opened(double width, double height) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\">\n{2}<rect class=\"page\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\"/>\n",
      width, height, kStyle);
}

template <typename Chart>
std::string drawn(const std::vector<Chart>& charts, std::size_t columns, double height) {
  std::string out;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    out += drawn(charts[i], static_cast<double>(i % columns) * (kWidth + kGap),
                 static_cast<double>(i / columns) * height);
  }
  return out;
}

double width_of(std::size_t columns) {
  return static_cast<double>(columns) * (kWidth + kGap) - kGap;
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  if (!(high > low) || !std::isfinite(high - low)) return {low};
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power * 10;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (power * factor >= rough) {
      step = power * factor;
      break;
    }
  }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

std::vector<std::array<double, 4>> level_segments(const MapChart& chart, double level) {
  std::vector<std::array<double, 4>> segments;
  const std::size_t width = chart.x.size();
  for (std::size_t j = 0; j + 1 < chart.y.size(); ++j) {
    for (std::size_t i = 0; i + 1 < width; ++i) {
      // Corners around the cell, from the lower left.
      const std::array<std::array<std::size_t, 2>, 4> corners = {
          {{i, j}, {i + 1, j}, {i + 1, j + 1}, {i, j + 1}}};
      std::array<double, 4> values{};
      for (std::size_t c = 0; c < 4; ++c)
        values[c] = chart.values[corners[c][1] * width + corners[c][0]];
      if (!std::ranges::all_of(values, [](double value) { return std::isfinite(value); })) continue;
      std::vector<std::array<double, 2>> crossings;
      for (std::size_t c = 0; c < 4; ++c) {
        const std::size_t next = (c + 1) % 4;
        if ((values[c] >= level) == (values[next] >= level)) continue;
        const double part = (level - values[c]) / (values[next] - values[c]);
        const auto between = [&](const std::vector<double>& axis, std::size_t a, std::size_t b) {
          return axis[a] + part * (axis[b] - axis[a]);
        };
        crossings.push_back({between(chart.x, corners[c][0], corners[next][0]),
                             between(chart.y, corners[c][1], corners[next][1])});
      }
      for (std::size_t c = 0; c + 1 < crossings.size(); c += 2) {
        segments.push_back(
            {crossings[c][0], crossings[c][1], crossings[c + 1][0], crossings[c + 1][1]});
      }
    }
  }
  return segments;
}

std::string svg_of_lines(const std::vector<LineChart>& charts, std::size_t columns) {
  columns = std::max<std::size_t>(1, std::min(columns, charts.size()));
  const std::size_t rows = (charts.size() + columns - 1) / columns;
  std::vector<const LineChart::Series*> legend;
  for (const LineChart& chart : charts) {
    for (const auto& series : chart.series) {
      if (std::ranges::none_of(legend,
                               [&](const auto* known) { return known->name == series.name; })) {
        legend.push_back(&series);
      }
    }
  }
  const double width = width_of(columns);
  const double top = static_cast<double>(rows) * kLineHeight + 6;
  const std::size_t across = columns == 1 ? 1 : columns * 3 / 2;
  const auto lines = static_cast<double>((legend.size() + across - 1) / across);
  std::string out =
      opened(width, top + lines * kLegendLine + 8) + drawn(charts, columns, kLineHeight);
  for (std::size_t i = 0; i < legend.size(); ++i) {
    const double x =
        kLeft + static_cast<double>(i % across) * (width - kLeft) / static_cast<double>(across);
    const double y = top + static_cast<double>(i / across) * kLegendLine + 8;
    out += line(x, y, x + 26, y, line_classes(*legend[i]));
    out += text(x + 32, y + 4, legend[i]->name, "start", "ink");
  }
  return out + "</svg>\n";
}

std::string svg_of_maps(const std::vector<MapChart>& charts, std::size_t columns) {
  columns = std::max<std::size_t>(1, std::min(columns, charts.size()));
  const std::size_t rows = (charts.size() + columns - 1) / columns;
  return opened(width_of(columns), static_cast<double>(rows) * kMapHeight) +
         drawn(charts, columns, kMapHeight) + "</svg>\n";
}

}  // namespace merganser
