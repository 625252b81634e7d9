package ingress

// Weightless returns the IDs of the target groups that no rule gives any requests. It
// is empty while all is held: then the rules are not known.
func (m *Model) Weightless() map[string]bool {
	weightless := map[string]bool{}
	if m.LoadBalancer == nil {
		return weightless
	}
	for id := range m.TargetGroups {
		weightless[id] = true
	}
	for _, l := range m.LoadBalancer.Listeners {
		l.DefaultAction.weigh(weightless)
		for _, r := range l.Rules {
			r.Action.weigh(weightless)
		}
	}
	return weightless
}

// weigh removes the groups that get requests.
func (a Action) weigh(weightless map[string]bool) {
	for _, share := range a.Forward {
		if share.Weight > 0 {
			delete(weightless, share.TargetGroup)
		}
	}
}
