// Whose data: the one way to say which facilities somebody may read or write. A Scope comes from a session
// (its user's grants), from a door (a token, the command line beside the installation's own files) or from a
// job; whoever only has the id of a facility has none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/connection.h"

namespace mamori::store {

// A grant names a node of the tree of facilities: a facility by its id, or a group of them, as
// `facility_tree` says which stands above which ("prefecture:13", "affiliation:…"); every facility stands
// below this one.
inline constexpr std::string_view kEverywhere = "*";
bool is_group(std::string_view node);  // else it is a facility's id

class Scope {
 public:
  Scope() = default;  // nothing
  // What the grants of a signed-in user allow.
  static Scope session(const std::vector<std::string>& nodes);
  // Of whoever came through a door that stands in one facility; where it is a vendor's, of that vendor's data
  // alone.
  static Scope door(std::string facility, std::string vendor = "");
  // Of a job, which works for one facility.
  static Scope job(std::string facility);
  // The whole installation, for its own work.
  static Scope installation();

  // The part of it that lies in one facility; nothing where it does not reach so far.
  Scope in(std::string facility) const;

  bool empty() const { return !installation_ && facilities_.empty() && groups_.empty(); }
  // The facility, where it names one alone.
  std::optional<std::string> only() const;
  // The vendor whose data it is restricted to; "": it is not.
  const std::string& vendor() const { return vendor_; }

  // A condition over a column that holds facilities' ids; its parameters are appended.
  std::string where(std::string_view column, Row& parameters) const;
  Result<bool> covers(Connection& connection, const std::string& facility) const;
  // Whether all below a node is in it. Of a group: only where it was granted as such, or everything was.
  Result<bool> reaches(Connection& connection, const std::string& node) const;

 private:
  bool installation_ = false;
  std::vector<std::string> facilities_, groups_;
  std::optional<std::string> in_;  // of all these this facility alone
  std::string vendor_;
};

// Puts a facility below these groups, and below no other but all. In the transaction of what says so.
Status set_place(Connection& connection, const std::string& facility, const std::vector<std::string>& groups);

}  // namespace mamori::store
