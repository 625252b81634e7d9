package awssim

// ShiftZone begins a zonal shift, or ends it: while it is active no load balancer
// sends requests to targets in the zone, and they show it beside a health that goes
// on as before.
func (s *Sim) ShiftZone(zone string, active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if active {
		s.shifted[zone] = true
	} else {
		delete(s.shifted, zone)
	}
	s.rememberLocked()
}

// overrideLocked is what DescribeTargetHealth says about the zone of a target. An
// account without a shift says nothing.
func (s *Sim) overrideLocked(zone string) *targetStateResult {
	switch {
	case len(s.shifted) == 0:
		return nil
	case s.shifted[zone]:
		return &targetStateResult{"zonal_shift_active", "AdministrativeOverride.ZonalShiftActive", "Zonal shift is active for this target"}
	}
	return &targetStateResult{"no_override", "AdministrativeOverride.NoOverride", "No override is currently active on target"}
}
