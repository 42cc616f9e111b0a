// Tensors that differ only in their layer as one row: "model.layers.{}.mlp.up_proj.weight  0-21".
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace merganser::cli {

class Collapse {
 public:
  struct Row {
    std::string name, layers;
    std::vector<std::string> cells;
  };

  // `layer` stands in the name as a number between dots; none: a row of its own.
  void add(std::optional<std::size_t> layer, const std::string& name,
           std::vector<std::string> cells);
  std::vector<Row> rows() const;  // in the order of first appearance

 private:
  struct Group {
    std::string stem;
    std::vector<std::size_t> layers;
    std::vector<std::string> cells;
  };
  std::vector<Group> groups_;
  std::map<std::vector<std::string>, std::size_t> index_;
};

}  // namespace merganser::cli
