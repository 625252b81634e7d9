package awsapi

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Interfaces are found by address, by the family that it has, and by instance.
func TestNetworkInterfaces(t *testing.T) {
	w := &wire{answer: func(url.Values, int) (int, string) {
		return 200, `<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>
			<attachment><instanceId>i-1</instanceId></attachment><groupSet><item><groupId>sg-1</groupId></item></groupSet>
			<privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress></item></privateIpAddressesSet>
			<ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address></item></ipv6AddressesSet>
			<ipv4PrefixSet><item><ipv4Prefix>10.0.1.0/28</ipv4Prefix></item></ipv4PrefixSet>
			<ipv6PrefixSet><item><ipv6Prefix>2001:db8:1::/80</ipv6Prefix></item></ipv6PrefixSet></item></networkInterfaceSet></DescribeNetworkInterfacesResponse>`
	}}
	c := clients(t, Options{HTTPClient: w})
	want := NetworkInterface{
		ID: "eni-1", InstanceID: "i-1", Addresses: []string{"10.0.0.1", "2001:db8::1"},
		Prefixes: []string{"10.0.1.0/28", "2001:db8:1::/80"}, SecurityGroups: []string{"sg-1"},
	}
	got, err := c.EC2.DescribeNetworkInterfaces(t.Context(), "vpc-1", []string{"10.0.0.1", "2001:db8::1"})
	require.NoError(t, err)
	require.Equal(t, []NetworkInterface{want, want}, got) // One for each family.
	got, err = c.EC2.DescribeNetworkInterfacesOf(t.Context(), "vpc-1", []string{"i-1"})
	require.NoError(t, err)
	require.Equal(t, []NetworkInterface{want}, got)
	var asked []string
	for _, form := range w.forms {
		asked = append(asked, form.Get("Filter.2.Name")+"="+form.Get("Filter.2.Value.1"))
	}
	require.Equal(t, strings.Fields("addresses.private-ip-address=10.0.0.1 ipv6-addresses.ipv6-address=2001:db8::1 attachment.instance-id=i-1"), asked)
}

// EC2 takes 200 values in a filter, and nothing is asked for nothing.
func TestInterfacesInBatches(t *testing.T) {
	w := &wire{}
	c := clients(t, Options{HTTPClient: w})
	addresses := make([]string, 401)
	for i := range addresses {
		addresses[i] = "10.0.0." + strconv.Itoa(i)
	}
	_, err := c.EC2.DescribeNetworkInterfaces(t.Context(), "vpc-1", addresses)
	require.NoError(t, err)
	require.Len(t, w.forms, 3)
	_, err = c.EC2.DescribeNetworkInterfaces(t.Context(), "vpc-1", nil)
	require.NoError(t, err)
	require.NoError(t, c.EC2.TagSecurityGroup(t.Context(), "sg-1", nil))
	_, err = c.EC2.FindSecurityGroups(t.Context(), "vpc-1", nil, nil)
	require.NoError(t, err)
	require.NoError(t, c.ELB.ModifyListenerAttributes(t.Context(), "arn:listener", nil))
	require.Len(t, w.forms, 3)
}

// Security groups are found by both, with a call for each.
func TestFindSecurityGroups(t *testing.T) {
	w := &wire{}
	_, err := clients(t, Options{HTTPClient: w}).EC2.FindSecurityGroups(t.Context(), "vpc-1", []string{"sg-1", "sg-2"}, []string{"web"})
	require.NoError(t, err)
	require.Equal(t, strings.Fields("Filter.1.Name=vpc-id Filter.1.Value.1=vpc-1 Filter.2.Name=group-id Filter.2.Value.1=sg-1 "+
		"Filter.2.Value.2=sg-2 MaxResults=1000"), fields(t, w.forms[0]))
	require.Equal(t, strings.Fields("Filter.1.Name=vpc-id Filter.1.Value.1=vpc-1 Filter.2.Name=tag:Name Filter.2.Value.1=web "+
		"MaxResults=1000"), fields(t, w.forms[1]))
}

// A subnet is public if its table, or for want of one the main table, has an internet
// gateway. A NAT gateway is none.
func TestRoutes(t *testing.T) {
	w := &wire{answer: func(url.Values, int) (int, string) {
		table := func(gateway, association string) string {
			return `<item><routeSet><item><gatewayId>local</gatewayId></item><item>` + gateway + `</item></routeSet><associationSet><item>` +
				association + `</item></associationSet></item>`
		}
		return 200, `<DescribeRouteTablesResponse><routeTableSet>` +
			table("<gatewayId>igw-1</gatewayId>", "<main>true</main>") +
			table("<natGatewayId>nat-1</natGatewayId>", "<subnetId>subnet-b</subnetId>") +
			table("<gatewayId>igw-1</gatewayId>", "<subnetId>subnet-c</subnetId>") +
			`</routeTableSet></DescribeRouteTablesResponse>`
	}}
	routes, err := clients(t, Options{HTTPClient: w}).EC2.DescribeRouteTables(t.Context(), "vpc-1")
	require.NoError(t, err)
	require.True(t, routes.Public("subnet-a"))
	require.False(t, routes.Public("subnet-b"))
	require.True(t, routes.Public("subnet-c"))
	require.False(t, Routes{}.Public("subnet-a"))
}

// Zones that are not the Region's own, and IPv6.
func TestKindsOfSubnets(t *testing.T) {
	for zone, local := range map[string]bool{
		"ap-northeast-3a": false, "us-gov-west-1b": false, "us-west-2-lax-1a": true, "us-east-1-wl1-bos-wlz-1": true,
	} {
		w := &wire{answer: func(url.Values, int) (int, string) {
			return 200, `<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId><availabilityZone>` + zone + `</availabilityZone>
				<ipv6CidrBlockAssociationSet><item><ipv6CidrBlock>2001:db8::/64</ipv6CidrBlock><ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState></item>
				<item><ipv6CidrBlock>2001:db9::/64</ipv6CidrBlock><ipv6CidrBlockState><state>disassociated</state></ipv6CidrBlockState></item>
				</ipv6CidrBlockAssociationSet></item></subnetSet></DescribeSubnetsResponse>`
		}}
		got, err := clients(t, Options{HTTPClient: w}).EC2.DescribeSubnets(t.Context(), "vpc-1")
		require.NoError(t, err)
		require.Equal(t, []Subnet{{ID: "subnet-1", Zone: zone, CIDRv6: "2001:db8::/64", LocalZone: local, Tags: Tags{}}}, got)
	}
}

// ACM lists up to 100 names of a certificate; one that has more is looked at by
// itself.
func TestCertificates(t *testing.T) {
	w := &wire{answer: func(form url.Values, n int) (int, string) {
		switch {
		case form.Get("Action") == "DescribeCertificate":
			return 200, `{"Certificate":{"DomainName":"b.example","SubjectAlternativeNames":["b.example","c.example"]}}`
		case n == 1:
			return 200, `{"NextToken":"more","CertificateSummaryList":[{"CertificateArn":"arn:a","DomainName":"a.example",
				"SubjectAlternativeNameSummaries":["a.example","*.a.example"]}]}`
		}
		return 200, `{"CertificateSummaryList":[{"CertificateArn":"arn:b","DomainName":"b.example","HasAdditionalSubjectAlternativeNames":true}]}`
	}}
	s := &sightings{}
	got, err := clients(t, Options{HTTPClient: w, Observer: s}).ACM.ListCertificates(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Certificate{
		{ARN: "arn:a", Domains: []string{"a.example", "*.a.example"}},
		{ARN: "arn:b", Domains: []string{"b.example", "c.example"}},
	}, got)
	require.Contains(t, w.forms[0].Get("Body"), `"CertificateStatuses":["ISSUED"]`)
	require.Contains(t, w.forms[0].Get("Body"), `"EC_prime256v1"`)
	require.Equal(t, map[string]int{"acm-ListCertificates": 2, "acm-DescribeCertificate": 1}, s.tokens)
}
