package awsapi

import (
	"net/netip"
	"regexp"
	"strings"
)

// ZoneProblem is what AWS has against the Availability Zone with which a target was
// registered. It knows which addresses are in a subnet of the VPC, and tells only
// when it refuses.
type ZoneProblem string

// The problems with a zone. AWS documents none of their texts; these are from reports
// of users (kubernetes-sigs/aws-load-balancer-controller#561, #3084 and #3714).
const (
	// ZoneUnwanted means that the address is in a subnet, whose zone it has.
	ZoneUnwanted ZoneProblem = "unwanted"
	// ZoneMissing means that the address is in no subnet and needs a zone, mostly
	// ZoneAll.
	ZoneMissing ZoneProblem = "missing"
	// ZoneUnspecific means that it needs the zone of one place: ZoneAll does not do.
	ZoneUnspecific ZoneProblem = "unspecific"
)

// zoneTexts are tried in order.
var zoneTexts = []struct {
	text    string
	problem ZoneProblem
}{
	{"cannot have its availability zone overridden", ZoneUnwanted},
	{"must specify an availability zone", ZoneUnspecific},
	{"availability zone", ZoneMissing},
}

// quoted matches what AWS puts into quotation marks: addresses among other things.
var quoted = regexp.MustCompile(`'([0-9a-fA-F.:]+)'`)

// ZoneProblemOf returns what is wrong with the zone of a target that was refused, and
// the address, which is the zero Addr if AWS names none; or "" if the error is about
// something else.
func ZoneProblemOf(err error) (ZoneProblem, netip.Addr) {
	if ClassOf(err) != Invalid {
		return "", netip.Addr{}
	}
	text := strings.ToLower(err.Error())
	for _, z := range zoneTexts {
		if strings.Contains(text, z.text) {
			return z.problem, addressIn(text)
		}
	}
	return "", netip.Addr{}
}

// addressIn returns the first address that a text quotes.
func addressIn(text string) netip.Addr {
	for _, match := range quoted.FindAllStringSubmatch(text, -1) {
		if ip, err := netip.ParseAddr(match[1]); err == nil {
			return ip
		}
	}
	return netip.Addr{}
}
