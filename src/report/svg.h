// Plots as one static SVG file, for documents: light on light pages, dark on dark ones.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace merganser {

struct LineChart {
  struct Series {
    std::string name;
    std::vector<double> x, y;  // a y that is not finite is left out
    unsigned color = 0;        // one of eight; series of one name and color share a legend entry
    bool dashed = false, dotted = false;
  };
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

// Values on a grid with lines of equal height.
struct MapChart {
  struct Place {
    std::string name;
    double x = 0, y = 0;
  };
  std::string title, x_label, y_label;
  std::vector<double> x, y;    // two each at least, ascending and equally spaced
  std::vector<double> values;  // row by row, y from below
  std::vector<Place> places;
};

// Charts side by side, `columns` in a row; all line charts share a legend below. Names may hold
// anything.
std::string svg_of_lines(const std::vector<LineChart>& charts, std::size_t columns);
std::string svg_of_maps(const std::vector<MapChart>& charts, std::size_t columns);

// Round numbers, about `count` of them, within [low, high].
std::vector<double> axis_ticks(double low, double high, int count);

// The ends of the segments at which a grid's values, linear along the edges of its cells, cross
// `level` (marching squares): x1, y1, x2, y2 each.
std::vector<std::array<double, 4>> level_segments(const MapChart& chart, double level);

}  // namespace merganser
