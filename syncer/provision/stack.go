package provision

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// Values of AWS's that are written and compared here.
const (
	actionForward       = "forward"
	actionRedirect      = "redirect"
	actionFixedResponse = "fixed-response"
	typeApplication     = "application"
	targetTypeIP        = "ip"

	// maxGroupsPerAction is how many target groups a forward can have.
	maxGroupsPerAction = 5
)

// stack is what AWS holds for one group, as far as its answers tell: it is read
// once, and every step that succeeds is entered. It belongs to the worker that
// has the group.
type stack struct {
	balancers      []*balancer
	targetGroups   map[string]*awsapi.TargetGroup // by name; Tags are filled in
	securityGroups []*awsapi.SecurityGroup
	protection     protection
	listenersRead  bool // and their rules
	// attributes are those of load balancers, listeners and target groups by ARN, of
	// those whose attributes have been read or set.
	attributes map[string]awsapi.Attributes
	readAt     time.Time
	adopted    map[string]string // names of target groups by the name that they stand for

	// What a pass is about.
	serves string           // the scheme of the load balancer that rules are made for; "": any
	turns  map[string]*turn // target groups that wait to take another one's place, by resource ID
}

// balancer is a load balancer with all it listens on. Its Tags are filled in.
type balancer struct {
	awsapi.LoadBalancer
	listeners map[int32]*listener // by port
	placed    string              // placeKey of what its subnets were last compared with
}

// listener is a listener with its rules, the default rule excepted.
type listener struct {
	awsapi.Listener
	rules []*awsapi.Rule
	// certificates are those that it chooses from by name, once the list was read.
	certificates []string
	listRead     bool
}

// rule returns the rule with an ARN, or nil.
func (l *listener) rule(arn string) *awsapi.Rule {
	for _, r := range l.rules {
		if r.ARN == arn && arn != "" {
			return r
		}
	}
	return nil
}

// balancer returns the load balancer of a scheme, or nil.
func (st *stack) balancer(scheme string) *balancer {
	for _, b := range st.balancers {
		if b.Scheme == scheme {
			return b
		}
	}
	return nil
}

// securityGroup returns the managed security group, or nil. Its name never
// changes: the hash in it is of the cluster and the group.
func (st *stack) securityGroup(name string) *awsapi.SecurityGroup {
	for _, g := range st.securityGroups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// enterAttributes enters attributes that AWS has told or taken. None at all make a
// new resource known, whose attributes nobody has set yet.
func (st *stack) enterAttributes(arn string, attributes awsapi.Attributes) {
	if st.attributes == nil {
		st.attributes = map[string]awsapi.Attributes{}
	}
	if st.attributes[arn] == nil {
		st.attributes[arn] = awsapi.Attributes{}
	}
	maps.Copy(st.attributes[arn], attributes)
}

// empty reports whether AWS holds nothing of the group.
func (st *stack) empty() bool {
	return len(st.balancers)+len(st.targetGroups)+len(st.securityGroups) == 0
}

// resource returns the ID of the target group that actions forward to, "" if there
// is none.
func (st *stack) resource(actions []awsapi.Action) string {
	for _, a := range actions {
		if len(a.Forward) == 0 {
			continue
		}
		for _, g := range st.targetGroups {
			if g.ARN == a.Forward[0].ARN {
				return g.Tags[ingress.TagResource]
			}
		}
	}
	return ""
}

// holds reports whether a target group may be an Ingress's.
func (st *stack) holds(ing *networkingv1.Ingress) bool {
	for _, g := range st.targetGroups {
		if len(ingress.Owners(g.Tags[ingress.TagResource], []*networkingv1.Ingress{ing})) > 0 {
			return true
		}
	}
	return false
}

// unresolvedError says that an action refers to a target group that could not be
// created. The error of the creation is reported beside it.
type unresolvedError struct{ id string }

func (e unresolvedError) Error() string { return "target group " + e.id + " does not exist" }

// actions turns an action of the model into AWS's terms.
func (st *stack) actions(m *ingress.Model, a ingress.Action) ([]awsapi.Action, error) {
	if f := a.FixedResponse; f != nil {
		return []awsapi.Action{{Type: actionFixedResponse, FixedResponse: &awsapi.FixedResponse{
			StatusCode: strconv.Itoa(f.StatusCode), ContentType: f.ContentType, MessageBody: f.MessageBody,
		}}}, nil
	}
	if r := a.Redirect; r != nil {
		return []awsapi.Action{{Type: actionRedirect, Redirect: new(awsapi.Redirect(*r))}}, nil
	}
	out := awsapi.Action{Type: actionForward, StickySeconds: a.StickySeconds}
	var waiting []awsapi.WeightedTargetGroup
	for _, share := range a.Forward {
		arn := share.ARN
		if arn == "" {
			g := st.group(m.TargetGroups[share.TargetGroup])
			if g == nil {
				return nil, unresolvedError{share.TargetGroup}
			}
			if t := st.turns[share.TargetGroup]; t != nil {
				waiting = append(waiting, t.waiting()...)
				g = t.old
			}
			arn = g.ARN
		}
		out.Forward = append(out.Forward, awsapi.WeightedTargetGroup{ARN: arn, Weight: share.Weight})
	}
	room := max(0, maxGroupsPerAction-len(out.Forward))
	out.Forward = append(out.Forward, waiting[:min(room, len(waiting))]...)
	return []awsapi.Action{out}, nil
}

// conditionsKey is equal for two lists of conditions if they match the same
// requests: neither the order of conditions nor that of values counts.
func conditionsKey(conditions []awsapi.Condition) string {
	keys := make([]string, 0, len(conditions))
	for _, c := range conditions {
		values := slices.Clone(c.Values)
		for _, q := range c.Queries {
			values = append(values, quoted(q.Key, q.Value))
		}
		slices.Sort(values)
		key := append([]string{c.Field}, values...)
		if c.Header != "" {
			key = append(key, "header", strings.ToLower(c.Header))
		}
		if len(c.Regexes) > 0 {
			key = append(append(key, "regexes"), c.Regexes...)
		}
		keys = append(keys, quoted(key...))
	}
	slices.Sort(keys)
	return strings.Join(keys, ";")
}

// actionsKey is equal for two lists of actions if they do the same. The weight of
// a group that is alone in its action does not count.
func actionsKey(actions []awsapi.Action) string {
	keys := make([]string, 0, len(actions))
	for _, a := range actions {
		key := []string{a.Type}
		if f := a.FixedResponse; f != nil {
			// AWS answers with text/plain where nobody names a type, and may say so.
			key = append(key, f.StatusCode, cmp.Or(f.ContentType, "text/plain"), f.MessageBody)
		}
		if r := a.Redirect; r != nil {
			key = append(key, r.StatusCode, r.Protocol, r.Host, r.Port, r.Path, r.Query)
		}
		if a.StickySeconds > 0 {
			key = append(key, strconv.Itoa(int(a.StickySeconds)))
		}
		keys = append(keys, quoted(append(key, forwardKey(a.Forward)...)...))
	}
	return strings.Join(keys, ";")
}

// forwardKey lists the shares of a forward, whose order means nothing.
func forwardKey(shares []awsapi.WeightedTargetGroup) []string {
	if len(shares) == 1 {
		return []string{shares[0].ARN}
	}
	keys := make([]string, 0, len(shares))
	for _, f := range shares {
		keys = append(keys, f.ARN+" "+strconv.Itoa(int(f.Weight)))
	}
	slices.Sort(keys)
	return keys
}

func ruleKey(r *awsapi.Rule) string {
	key := conditionsKey(r.Conditions) + "=>" + actionsKey(r.Actions)
	if r.Transforms {
		key += " after a transform"
	}
	return key
}

func quoted(parts ...string) string {
	for i, p := range parts {
		parts[i] = strconv.Quote(p)
	}
	return strings.Join(parts, ",")
}
