// What an attack must not do: ask for more than it was granted, or in another form.
#pragma once

#include <string>

#include "harness/suite/error.h"

namespace assay {

/// A mistake in an attack's own code. A user mends it in an attack of theirs; in one of ours it is
/// a bug of ours. No retry mends it.
class AttackFault : public Error {
 public:
  explicit AttackFault(const std::string& message) : Error(message) {}
};

/// Throws AttackFault where a condition on what an attack asks for does not hold.
inline void require_of_attack(bool holds, const char* message) {
  if (!holds) throw AttackFault(message);
}

}  // namespace assay
