// consumer METHOD A B OUTPUT: plans and merges two checkpoints and prints both reports.
#include <merganser/merganser.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  merganser::Request request;
  request.method = argv[1];
  request.models = {argv[2], argv[3]};
  request.output = argv[4];
  merganser::Progress progress;
  try {
    std::cout << merganser::plan(request).json() << "\n";
    std::cout << merganser::merge(request, progress).json() << "\n";
  } catch (const merganser::Error& error) {  // the type must be the same on both sides
    std::cout << merganser::name_of(error.kind()) << ": " << error.what() << "\n";
    return 1;
  }
  return 0;
}
