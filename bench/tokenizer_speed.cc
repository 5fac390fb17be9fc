// Encodes the texts of a JSONL file again and again, one thread, for tokenizer.py.
//   tokenizer_speed CHECKPOINT TEXTS.jsonl IDS.jsonl
// Writes the ids of every text, then reads lines: for each, encodes all texts and prints the
// seconds that it took.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "text/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: tokenizer_speed CHECKPOINT TEXTS.jsonl IDS.jsonl\n", stderr);
    return 2;
  }
  const auto tokenizer = falconer::Tokenizer::load(argv[1]);
  std::vector<std::string> texts;
  std::ifstream input(argv[2]);
  for (std::string line; std::getline(input, line);)
    texts.push_back(nlohmann::json::parse(line).get<std::string>());
  {
    std::ofstream ids(argv[3]);
    for (const auto& text : texts) ids << nlohmann::json(tokenizer.encode(text)) << '\n';
  }
  std::puts("ready");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    size_t tokens = 0;
    const auto start = std::chrono::steady_clock::now();
    for (const auto& text : texts) tokens += tokenizer.encode(text).size();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::printf("%.6f %zu\n", taken.count(), tokens);
    std::fflush(stdout);
  }
  return 0;
}
