// PyTorch files made by hand: a pickle spelled opcode by opcode, in a zip file.
#pragma once

#include <zip.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace falconer::test {

/// The bytes of a plain value, as they lie in memory.
template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Pieces of a pickle, each of which leaves one value on the stack.
inline std::string pickled(const std::string& text) {
  return "X" + bytes_of(static_cast<uint32_t>(text.size())) + text;
}
inline std::string pickled(int64_t number) { return "\x8a\x08" + bytes_of(number); }
inline std::string pickled(const std::vector<int64_t>& numbers) {
  std::string text = "(";
  for (const int64_t number : numbers) text += pickled(number);
  return text + "t";
}
inline std::string pickled_storage(const std::string& type, const std::string& key, int64_t count) {
  return "(" + pickled("storage") + "ctorch\n" + type + "\n" + pickled(key) + pickled("cpu") +
         pickled(count) + "tQ";
}

struct PickledTensor {
  std::string storage;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};
inline std::string pickled(const PickledTensor& tensor) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + tensor.storage + pickled(tensor.offset) +
         pickled(tensor.shape) + pickled(tensor.strides) + "\x89" +
         "ccollections\nOrderedDict\n)RtR";
}
/// A dict of (key, pickled value).
inline std::string pickled_dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string text = "}(";
  for (const auto& [key, value] : items) text += pickled(key) + value;
  return text + "u";
}
/// A whole pickle of protocol 2.
inline std::string pickle_of(const std::string& value) { return "\x80\x02" + value + "."; }

/// Writes a zip file with these entries, compressed or not.
inline void write_zip(const std::filesystem::path& path,
                      const std::map<std::string, std::string>& entries, bool compress = false) {
  int why = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &why);
  FALCONER_CHECK(archive != nullptr);
  for (const auto& [name, content] : entries) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    const auto index = zip_file_add(archive, name.c_str(), source, 0);
    FALCONER_CHECK(index >= 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index),
                             compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  FALCONER_CHECK(zip_close(archive) == 0);
}

/// Changes bytes of a file on disk: `from` must be there; every place of it is changed.
inline void replace_in_file(const std::filesystem::path& path, const std::string& from,
                            const std::string& to) {
  std::string content = read_text_file(path);
  FALCONER_CHECK(from.size() == to.size() && content.find(from) != std::string::npos);
  for (size_t at = content.find(from); at != std::string::npos; at = content.find(from, at))
    content.replace(at, to.size(), to);
  write_file(path, content);
}

}  // namespace falconer::test
