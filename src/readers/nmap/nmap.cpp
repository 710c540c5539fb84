#include "readers/nmap/nmap.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <map>
#include <pugixml.hpp>
#include <set>

#include "base/text.h"
#include "os/process.h"

namespace mamori::readers::nmap {
namespace {

constexpr std::size_t kMostHosts = 200'000;
constexpr std::size_t kMostPorts = 2'000;
// Services that carry passwords in the clear or give away the screen: they need a reason to stand open in a
// hospital. rsh is 514 of TCP (syslog is 514 of UDP), tftp 69 of UDP.
const std::set<std::pair<std::string_view, int>> kRisky = {{"tcp", 21},   {"tcp", 23},   {"udp", 69},
                                                           {"tcp", 512},  {"tcp", 513},  {"tcp", 514},
                                                           {"tcp", 3389}, {"tcp", 5900}, {"tcp", 5901}};

// As what one file says of it, in however many places.
struct Host {
  std::string ip, mac, maker, name, os;
  std::map<std::pair<int, std::string>, std::string> open;  // port and protocol → service
};

bool is_target(const std::string& text) {
  const auto slash = text.find('/');
  unsigned char buffer[16];
  const auto address = text.substr(0, slash);
  if (inet_pton(AF_INET, address.c_str(), buffer) != 1 && inet_pton(AF_INET6, address.c_str(), buffer) != 1)
    return false;
  if (slash == text.npos) return true;
  const auto bits = text.substr(slash + 1);
  return !bits.empty() && bits.size() <= 3 && bits.find_first_not_of("0123456789") == bits.npos;
}

void take_first(std::string& kept, std::string_view given) {
  if (kept.empty()) kept = head(given, 200);
}

Host host_of(const pugi::xml_node& node) {
  Host host;
  std::string ipv6;
  for (const auto address : node.children("address")) {
    const std::string_view type = address.attribute("addrtype").as_string();
    const std::string value = address.attribute("addr").as_string();
    if (type == "mac") {
      host.mac.clear();
      for (const char c : value) host.mac += c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
      take_first(host.maker, address.attribute("vendor").as_string());
    } else if (type == "ipv4") {
      host.ip = value;
    } else if (type == "ipv6" && ipv6.empty()) {
      ipv6 = value;
    }
  }
  if (host.ip.empty()) host.ip = ipv6;
  take_first(host.name, node.child("hostnames").child("hostname").attribute("name").as_string());
  take_first(host.os, node.child("os").child("osmatch").attribute("name").as_string());
  for (const auto port : node.child("ports").children("port")) {
    if (std::string_view(port.child("state").attribute("state").as_string()) != "open") continue;
    if (host.open.size() == kMostPorts) break;
    const std::string_view protocol = port.attribute("protocol").as_string("tcp");
    host.open.try_emplace({port.attribute("portid").as_int(), std::string(head(protocol, 10))},
                          head(port.child("service").attribute("name").as_string("?"), 100));
  }
  return host;
}

// Whether anything came back from it. With -Pn every address is "up" by the user's word; masscan names only
// what answered, and gives no status.
bool answered(const pugi::xml_node& node) {
  const auto status = node.child("status");
  if (!status) return !node.child("ports").child("port").empty();
  if (std::string_view(status.attribute("state").as_string()) != "up") return false;
  if (std::string_view(status.attribute("reason").as_string()) != "user-set") return true;
  for (const auto address : node.children("address"))
    if (std::string_view(address.attribute("addrtype").as_string()) == "mac") return true;
  const auto says = [](std::string_view state) { return state == "open" || state == "closed"; };
  for (const auto port : node.child("ports").children("port"))
    if (says(port.child("state").attribute("state").as_string())) return true;
  for (const auto ports : node.child("ports").children("extraports"))
    if (says(ports.attribute("state").as_string())) return true;
  return false;
}

// Hosts of one address are one, unless two cards answer for it.
class Hosts {
 public:
  // False where there are too many.
  bool add(Host host) {
    auto [first, last] = by_ip_.equal_range(host.ip);
    for (; first != last; ++first) {
      auto& known = all_[first->second];
      if (!known.mac.empty() && !host.mac.empty() && known.mac != host.mac) continue;
      if (known.mac.empty()) known.mac = host.mac;
      take_first(known.maker, host.maker);
      take_first(known.name, host.name);
      take_first(known.os, host.os);
      for (auto& [port, service] : host.open)
        if (known.open.size() < kMostPorts) known.open.try_emplace(port, service);
      return true;
    }
    if (all_.size() == kMostHosts) return false;
    by_ip_.emplace(host.ip, all_.size());
    all_.push_back(std::move(host));
    return true;
  }
  const std::vector<Host>& all() const { return all_; }

 private:
  std::vector<Host> all_;
  std::multimap<std::string, std::size_t> by_ip_;
};

json::object fact_of(const Host& host) {
  json::object fact = {{"ip", host.ip}};
  const auto put = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) fact[name] = value;
  };
  put("mac", host.mac);
  put("maker", host.maker);
  put("hostname", host.name);
  put("os", host.os);
  std::string open, risky;
  for (const auto& [port, service] : host.open) {
    const auto& [number, protocol] = port;
    const auto entry = protocol == "tcp" ? fmt::format("{}/{}", number, service)
                                         : fmt::format("{}/{}/{}", number, protocol, service);
    open += (open.empty() ? "" : ", ") + entry;
    if (kRisky.contains({protocol, number})) risky += (risky.empty() ? "" : ", ") + entry;
  }
  fact["open_count"] = static_cast<std::int64_t>(host.open.size());
  put("open_ports", std::string(head(open, 4000)));
  put("risky_ports", std::string(head(risky, 500)));
  return fact;
}

}  // namespace

Result<Reading> parse_xml(std::string_view bytes) {
  const auto bad = [](std::ptrdiff_t offset) {
    return Error{ErrorKind::invalid, "collect.nmap.bad", {{"offset", std::to_string(offset)}}};
  };
  // PowerShell's ">" makes UTF-16 of it; the document itself says UTF-8 then, and is that from here on.
  std::string converted;
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    auto decoded = decode_japanese(bytes);
    if (!decoded) return bad(0);
    converted = std::move(decoded->text);
  }
  const std::string_view xml = converted.empty() ? bytes : converted;
  if (xml.find("<!ENTITY") != xml.npos) return Error{ErrorKind::invalid, "collect.nmap.entities"};
  if (!is_utf8(xml)) return bad(0);
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!document.child("nmaprun")) return bad(parsed.offset);
  if (!parsed) return Error{ErrorKind::invalid, "collect.nmap.unfinished"};
  Hosts hosts;
  bool partial = false;
  for (const auto run : document.children("nmaprun")) {
    const auto finished = run.child("runstats").child("finished");
    if (!finished) return Error{ErrorKind::invalid, "collect.nmap.unfinished"};
    partial = partial || std::string_view(finished.attribute("exit").as_string()) == "error";
    for (const auto node : run.children("host")) {
      if (!answered(node)) continue;
      auto host = host_of(node);
      if (!host.ip.empty() && !hosts.add(std::move(host)))
        return Error{ErrorKind::exhausted, "collect.nmap.too-many"};
    }
  }
  FactSet facts{"observed_host", {}};
  for (const auto& host : hosts.all()) facts.facts.push_back(fact_of(host));
  Reading reading;
  reading.sets.push_back(std::move(facts));
  reading.raw = bytes;
  reading.raw_kind = "xml";
  reading.partial = partial;
  return reading;
}

Result<Reading> scan(const Settings& settings) {
  std::vector<std::string> words = {"nmap", "-oX", "-", "-T3", "-n", "--noninteractive"};
  if (settings.ports)
    words.insert(words.end(), {"--top-ports", "100"});
  else
    words.push_back("-sn");
  if (settings.targets.empty()) return Error{ErrorKind::invalid, "collect.nmap.target", {{"target", ""}}};
  for (const auto& target : settings.targets) {
    if (!is_target(target))
      return Error{
          ErrorKind::invalid, "collect.nmap.target", {{"target", target}}};  // never an option, never a name
    words.push_back(target);
  }
  const auto run = os::run_process(words, {.limit = settings.limit, .stop = settings.stop});
  if (!run)
    return run.error().code == "base.process.missing" ? Error{ErrorKind::unavailable, "collect.nmap.missing"}
                                                      : run.error();
  if (run->exit_code != 0)
    return Error{ErrorKind::unavailable,
                 "collect.nmap.failed",
                 {{"reason", std::string(head(is_utf8(run->err) ? trim(run->err) : "", 300))}}};
  return parse_xml(run->out);
}

}  // namespace mamori::readers::nmap
