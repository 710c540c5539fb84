#include "http/message.h"

#include "base/text.h"

namespace mamori::http {

std::string_view name_of(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::patch: return "PATCH";
    case Method::delete_: return "DELETE";
    case Method::other: return "OTHER";
  }
  MAMORI_UNREACHABLE();
}

std::string Request::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::string Request::cookie(std::string_view name) const {
  const auto all = header("cookie");
  for (const auto part : split(all, ';')) {
    const auto pair = trim(part);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return std::string(pair.substr(name.size() + 1));
  }
  return "";
}

std::string Request::parameter(const std::string& name, std::string_view otherwise) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string(otherwise) : found->second;
}

Reply Reply::json(const json::value& value, int status) {
  Reply reply;
  reply.status = status;
  reply.body = json::serialize(value);
  return reply;
}

Reply Reply::nothing() {
  Reply reply;
  reply.status = 204;
  reply.content_type.clear();
  return reply;
}

Reply Reply::file(std::string bytes, std::string content_type, const std::string& name) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string ascii, encoded;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    ascii += plain ? c : '_';
    if (plain)
      encoded += c;
    else
      encoded += std::string("%") + kHex[static_cast<unsigned char>(c) >> 4] +
                 kHex[static_cast<unsigned char>(c) & 15];
  }
  Reply reply;
  reply.content_type = std::move(content_type);
  reply.body = std::move(bytes);
  reply.headers.emplace_back("Content-Disposition",
                             "attachment; filename=\"" + ascii + "\"; filename*=UTF-8''" + encoded);
  return reply;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  if (!is_utf8(out) || out.find('\0') != out.npos) return std::nullopt;
  return out;
}

}  // namespace mamori::http
