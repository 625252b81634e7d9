// Package awsapi is all that tgsync knows of the AWS SDK: it is the only
// importer of it. What comes in and goes out are the plain values of types.go.
//
// A call passes these stages, in this order:
//
//	method        (elb_*.go, ec2.go) values to SDK input, every page, SDK output to values
//	SDK retry     (client.go) reads: three attempts; writes: one, since the caller diffs again
//	attempt       (attempt.go) once per attempt, from here on
//	  tokens      (limiter.go, actions.go) one of the action's category and one of the account's,
//	              unless the context brings the token along that its dispatcher took ahead
//	  fence       (fence.go) of a write, unless we may change nothing now; again at the socket
//	  time limit  an attempt without an answer ends
//	  observation (observe.go) service, action, code, duration
//	SDK transport signs, sends, decodes
//	wrap          (errors.go) "<Action> <what>: ...", and ClassOf for the decision
//
// Beside it, metadata.go asks the instance metadata service where we are.
//
// # Idempotence
//
// CreateLoadBalancer, CreateTargetGroup and CreateListener return what exists if
// it has the same settings (a difference in tags is a difference); with other
// settings they fail with Duplicate. RegisterTargets, DeregisterTargets, AddTags
// and the Set and Modify calls can be repeated. CreateRule cannot: its priority
// is then taken (Duplicate). DeleteLoadBalancer of what is gone succeeds;
// DeleteListener and DeleteRule fail with NotFound.
//
// # Eventual consistency
//
// For about a second after a Create, another call can answer NotFound for the
// new resource; for security groups it can take longer. Tags therefore travel in
// the Create call, and whoever gets NotFound for what it has just created tries
// again later. After DeleteLoadBalancer its network interfaces linger for
// seconds to minutes, so DeleteSecurityGroup fails with InUse meanwhile.
//
// # Words
//
//	action   one operation of AWS's API, named as in IAM: elasticloadbalancing:CreateRule.
//	attempt  one request on the wire. A call is one attempt or more.
//	bucket   a token bucket of AWS's request throttling.
//	category an ELBv2 bucket that several actions share, beside the account's.
//	class    what a caller needs to know of an error; the set is closed.
package awsapi
