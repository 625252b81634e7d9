package target

// Plan is the least that turns what AWS has into what Kubernetes wants. Both
// lists are sorted, and no target stands in both.
type Plan struct {
	Register   []Target
	Deregister []Target
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Register) == 0 && len(p.Deregister) == 0 }

// Diff returns the plan that turns observed into desired. A target that has an
// operation in flight is left out: calls of one group that overlap in time must
// be disjoint in targets, else their order at AWS would decide.
func Diff(desired, observed, inFlight Set) Plan {
	return Plan{
		Register:   missing(desired, observed, inFlight),
		Deregister: missing(observed, desired, inFlight),
	}
}

// missing returns what is in want, and in neither have nor skip.
func missing(want, have, skip Set) []Target {
	out := Set{}
	for t := range want {
		if !have.Has(t) && !skip.Has(t) {
			out[t] = struct{}{}
		}
	}
	return out.Sorted()
}
