package metrics

import "time"

// Page is all that /targets shows: what a daemon knows of its target groups and waits
// for. As JSON its names are snake_case, times are RFC 3339, rates are per second;
// what is empty or not known is left out.
type Page struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Cluster string    `json:"cluster"`
	Leader  Leader    `json:"leader"`
	// NotReady is why the daemon cannot do its work yet.
	NotReady string `json:"not_ready,omitempty"`
	// States are all states that a group can be in.
	States  []string      `json:"states"`
	Buckets []Bucket      `json:"buckets"`
	Groups  []TargetGroup `json:"groups"` // none on a standby
}

// Leader says who may change AWS and Kubernetes.
type Leader struct {
	// Leads says that this process does.
	Leads    bool   `json:"leads"`
	Identity string `json:"identity"` // of this process
	// Holder is who held the Lease when it was last seen. Empty: nobody.
	Holder  string    `json:"holder"`
	Renewed time.Time `json:"renewed,omitzero"` // by the holder's clock
	Seen    time.Time `json:"seen,omitzero"`    // zero: the Lease was not seen yet
}

// Bucket is one of AWS's token buckets, as far as it is ours to use, or what a class
// of calls has left of its guarantee out of it.
type Bucket struct {
	Account string  `json:"account,omitempty"` // empty: our own
	Name    string  `json:"name"`
	Class   string  `json:"class,omitempty"` // empty: the bucket itself
	Tokens  float64 `json:"tokens"`          // to be had now
	Size    float64 `json:"size"`            // how many fit in now; fewer after AWS has throttled
	Refill  float64 `json:"refill_per_second"`
	Waiting int     `json:"waiting"` // calls that wait for a token
}

// TargetGroup is what is known of one target group.
type TargetGroup struct {
	Name        string `json:"name"`
	ARN         string `json:"arn"`
	Role        string `json:"role,omitempty"` // that is assumed for it; empty: none
	Service     string `json:"service"`        // namespace/name
	ServicePort string `json:"service_port"`
	Stack       string `json:"stack,omitempty"` // the Ingress group that it belongs to
	State       string `json:"state"`
	// Problem is why it is not known what the group should have.
	Problem string `json:"problem,omitempty"`

	Desired   int            `json:"desired"`             // targets that the Service wants, before the guards
	Undecided int            `json:"undecided,omitempty"` // left as they are until it is known whether it wants them
	Observed  *int           `json:"observed"`            // that AWS has, without those that drain; nil: it was not asked yet
	InFlight  int            `json:"in_flight,omitempty"` // of calls that have not returned
	InDoubt   int            `json:"in_doubt,omitempty"`  // of calls of which AWS alone knows what became
	Health    map[string]int `json:"health"`              // targets by AWS's word for their state

	Actions []Action `json:"actions"` // next first; those with a time of change are pending
	Calls   []Call   `json:"calls"`   // the last of each operation, latest first
	Parked  []Parked `json:"parked,omitempty"`
	Guards  []Hold   `json:"guards,omitempty"`
	Gates   *Gates   `json:"gates,omitempty"` // nil: no pod waits for its gate
	Targets []Target `json:"targets"`
}

// Action is an operation that is to be done, now or later.
type Action struct {
	Operation string `json:"operation"` // register, deregister, observe
	// WaitsFor is run (it is under way), token, gap (since the last call), pause,
	// backoff, or time: nothing has changed, and it is done when its time comes.
	WaitsFor string    `json:"waits_for"`
	Changed  time.Time `json:"changed,omitzero"` // the first change that waits
	Ready    time.Time `json:"ready,omitzero"`   // since when it waits for a token
	Until    time.Time `json:"until,omitzero"`   // when a gap, pause, back-off or time is over
}

// Call is a call to AWS that has returned.
type Call struct {
	Operation string    `json:"operation"`
	At        time.Time `json:"at"`
	Targets   int       `json:"targets"`
	Result    string    `json:"result"` // OK, or the class of the error
	Error     string    `json:"error,omitempty"`
}

// Parked are targets that AWS refuses.
type Parked struct {
	Target    string    `json:"target,omitempty"` // empty: any, a quota leaves no room
	Targets   int       `json:"targets"`
	Operation string    `json:"operation"`
	Reason    string    `json:"reason"`
	Until     time.Time `json:"until"` // when they are tried again
	Times     int       `json:"times"` // how often they were refused in a row
}

// Hold is a guard that keeps targets registered.
type Hold struct {
	Guard   string    `json:"guard"`
	Targets int       `json:"targets"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: until what it guards against is over
}

// Gates are the pods that wait until a group says that their targets are healthy.
type Gates struct {
	Pods  int       `json:"pods"`
	Since time.Time `json:"since"`         // when the first of them began to wait
	Read  time.Time `json:"read,omitzero"` // when health was last read for them
	Next  time.Time `json:"next,omitzero"` // when it is worth the next read
}

// Target is a target that a group has or should have.
type Target struct {
	Address string `json:"address"`
	State   string `json:"state,omitempty"` // AWS's word; empty: AWS does not have it
	Wanted  bool   `json:"wanted"`          // the Service wants it
	// Endpoint is what Kubernetes says of it: ready, node_unknown, undecided, not_ready,
	// terminating. Empty: it is no endpoint.
	Endpoint string `json:"endpoint,omitempty"`
	Pod      string `json:"pod,omitempty"` // namespace/name
}
