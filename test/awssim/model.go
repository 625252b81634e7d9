package awssim

import (
	"net/netip"
	"time"
)

// The structs below are the simulated account. Everything in them is guarded by
// Sim.mu; a name that ends in Locked expects its caller to hold it. What history.go
// says about copies holds for every field that is added.

// account is everything that calls make and find.
type account struct {
	loadBalancers  map[string]*loadBalancer  // by ARN
	targetGroups   map[string]*targetGroup   // by ARN
	listeners      map[string]*listener      // by ARN
	rules          map[string]*rule          // by ARN
	vpcs           map[string]*vpc           // by ID
	subnets        map[string]*subnet        // by ID
	securityGroups map[string]*securityGroup // by ID
	interfaces     map[string]*networkInterface
	shifted        map[string]bool        // zones that traffic is shifted away from
	certificates   map[string]Certificate // by ARN; empty: every well-formed ARN exists
}

func newAccount() account {
	return account{
		loadBalancers:  map[string]*loadBalancer{},
		targetGroups:   map[string]*targetGroup{},
		listeners:      map[string]*listener{},
		rules:          map[string]*rule{},
		vpcs:           map[string]*vpc{},
		subnets:        map[string]*subnet{},
		securityGroups: map[string]*securityGroup{},
		interfaces:     map[string]*networkInterface{},
		shifted:        map[string]bool{},
		certificates:   map[string]Certificate{},
	}
}

// loadBalancer is one ALB.
type loadBalancer struct {
	arn, name, dnsName string
	scheme             string // internet-facing, internal
	ipAddressType      string
	vpcID              string
	created            time.Time
	activeAt           time.Time // before: provisioning
	subnets            []*subnet
	securityGroups     []string
	attributes         map[string]string
	tags               tagList
	listeners          []*listener // by port
	capacity           int         // reserved units, 0: none
	capacitySince      time.Time   // when capacity became that
}

// status is the state that AWS shows: provisioning, active.
func (lb *loadBalancer) status(now time.Time) string {
	if now.Before(lb.activeAt) {
		return "provisioning"
	}
	return "active"
}

// listener is one port of a load balancer. Its last rule is the default rule.
type listener struct {
	arn        string
	lb         *loadBalancer
	port       int
	protocol   string
	attributes map[string]string
	tags       tagList
	created    time.Time
	rules      []*rule // by priority, the default rule last

	certificates []string // ARNs: the default one, then the list in the order in which it grew; HTTPS
	sslPolicy    string   // HTTPS
}

// rule is one routing rule. Priority 0 marks the default rule.
type rule struct {
	arn        string
	listener   *listener
	priority   int
	conditions []condition
	actions    []action
	tags       tagList
	created    time.Time
	credit     map[*targetGroup]int // what weighted rotation owes to each group
}

func (r *rule) isDefault() bool { return r.priority == 0 }

// condition matches when one of its values does.
type condition struct {
	field  string // host-header, path-pattern, http-header, ...
	name   string // http-header: the header
	values []string
	query  []queryValue // query-string
}

// queryValue is one value of a query-string condition. An empty key matches any.
type queryValue struct{ key, value string }

// action is one action of a rule.
type action struct {
	kind     string // forward, fixed-response, redirect
	order    int
	forward  []weightedGroup
	fixed    *fixedResponse
	redirect *redirect

	stickySeconds int // forward: group stickiness, 0: off
}

type weightedGroup struct {
	group  *targetGroup
	weight int
}

// redirect is where a client is sent. Each text can have keywords such as #{host}.
type redirect struct {
	statusCode                        string // HTTP_301, HTTP_302
	protocol, port, host, path, query string
}

type fixedResponse struct {
	statusCode  string
	contentType string
	body        string
}

// targetGroup is a set of targets with one health check.
type targetGroup struct {
	arn, name       string
	protocol        string
	protocolVersion string
	port            int
	targetType      string // ip
	ipAddressType   string // ipv4, ipv6
	vpcID           string
	check           healthCheck
	attributes      map[string]string
	tags            tagList
	created         time.Time
	targets         map[targetKey]*registration
	leaving         []*registration // no longer registered, but the load balancer does not know yet
	turn            uint64          // requests balanced so far
	usedBy          map[*rule]bool  // the rules that forward to it, all of one load balancer
}

// deregistrationDelay is the attribute deregistration_delay.timeout_seconds.
const deregistrationDelayAttribute = "deregistration_delay.timeout_seconds"

type healthCheck struct {
	enabled            bool
	protocol           string
	version            string // of the group's protocol
	port               string // a number or traffic-port
	path               string
	interval           time.Duration
	timeout            time.Duration
	healthyThreshold   int
	unhealthyThreshold int
	matcher            string
}

// targetKey is a target's identity: address and port.
type targetKey struct {
	ip   netip.Addr
	port int
}

// registration is one target of a group over its life: registered, checked,
// draining, gone.
type registration struct {
	key         targetKey
	zone        string // as AWS fills it in
	registered  time.Time
	inRotation  time.Time // from when on the data plane knows it (propagation)
	draining    bool
	drainStart  time.Time
	drainEnd    time.Time
	outRotation time.Time // from when on the data plane sends it no new request
	state       string    // initial, healthy, unhealthy
	since       time.Time // when state became that; initial: zero
	reason      string
	description string
	successes   int                  // consecutive
	failures    int                  // consecutive
	flights     map[*flight]struct{} // requests that it has not answered yet
	lastTurn    uint64               // when it was last chosen, in turns of its group
}

// subnet, vpc and securityGroup are EC2's side.
type vpc struct {
	id      string
	cidrs   []netip.Prefix
	v6      []netip.Prefix
	gateway bool // it has an internet gateway
	tags    tagList
}

type subnet struct {
	id     string
	vpc    *vpc
	zone   string
	zoneID string
	cidr   netip.Prefix
	v6     netip.Prefix // zero: none
	public bool         // its route table leads to the internet gateway
	tags   tagList
}

// networkInterface is a load balancer's address in a subnet, or what a node or a pod
// is reached through.
type networkInterface struct {
	id             string
	subnet         *subnet
	addresses      []netip.Addr // the primary one first
	prefixes       []netip.Prefix
	lb             *loadBalancer // nil: of a node or a pod
	instance       string        // the node that it is attached to
	tags           tagList
	securityGroups []string  // of a load balancer's once gone is set; before, the load balancer's
	description    string    // ELB app/NAME/ID
	gone           time.Time // when it disappears, zero while its load balancer lives
}

type securityGroup struct {
	id, name, description string
	vpcID                 string
	ingress               []ipPermission
	egress                []ipPermission
	tags                  tagList
	created               time.Time
}

// ipPermission is one inbound or outbound rule: exactly one source is set.
type ipPermission struct {
	ruleID           string // sgr-...
	protocol         string
	fromPort, toPort int
	cidr             string
	cidrV6           string
	prefixListID     string
	groupID          string
	description      string
}

// tag keeps order: AWS returns tags as they were given.
type tag struct{ key, value string }

type tagList []tag
