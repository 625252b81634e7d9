package awssim_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func (a account) certificate(t *testing.T, c awssim.Certificate) string {
	t.Helper()
	arn, err := a.AddCertificate(c)
	require.NoError(t, err)
	return arn
}

func TestListCertificates(t *testing.T) {
	a := open(t, awssim.Options{})
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	plain := a.certificate(t, awssim.Certificate{Names: []string{"example.com", "*.example.com"}, NotAfter: until})
	curve := a.certificate(t, awssim.Certificate{Names: []string{"b.example.com"}, KeyType: "EC_prime256v1", Imported: true})
	pending := a.certificate(t, awssim.Certificate{Names: []string{"c.example.com"}, Status: "PENDING_VALIDATION"})
	list := func(in *acm.ListCertificatesInput) []acmtypes.CertificateSummary {
		var all []acmtypes.CertificateSummary
		for page := range pagesOf(t, acm.NewListCertificatesPaginator(a.acm, in)) {
			all = append(all, page.CertificateSummaryList...)
		}
		return all
	}
	arns := func(in *acm.ListCertificatesInput) []string {
		var all []string
		for _, c := range list(in) {
			all = append(all, *c.CertificateArn)
		}
		return all
	}
	issued := []acmtypes.CertificateStatus{acmtypes.CertificateStatusIssued}
	require.ElementsMatch(t, []string{plain, pending}, arns(&acm.ListCertificatesInput{}), "RSA alone unless others are asked for")
	require.ElementsMatch(t, []string{plain, curve, pending}, arns(&acm.ListCertificatesInput{
		MaxItems: new(int32(1)), Includes: &acmtypes.Filters{KeyTypes: acmtypes.KeyAlgorithm("").Values()},
	}))
	found := list(&acm.ListCertificatesInput{CertificateStatuses: issued})
	require.Len(t, found, 1)
	require.Equal(t, []string{"example.com", "*.example.com"}, found[0].SubjectAlternativeNameSummaries)
	require.False(t, *found[0].HasAdditionalSubjectAlternativeNames)
	require.False(t, *found[0].InUse)

	lb := a.balancer(t, "demo").LoadBalancerArn
	a.https(t, lb, 443, plain)
	detail := do(t, a.acm.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &plain}).Certificate
	require.Equal(t, "example.com", *detail.DomainName)
	require.Equal(t, []string{"example.com", "*.example.com"}, detail.SubjectAlternativeNames)
	require.Equal(t, acmtypes.CertificateStatusIssued, detail.Status)
	require.Equal(t, []string{*lb}, detail.InUseBy)
	require.Equal(t, until, detail.NotAfter.UTC())
	require.Equal(t, acmtypes.CertificateTypeImported, do(t, a.acm.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &curve}).Certificate.Type)

	requireCode(t, fails(t, a.acm.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: new(certARN("none"))}), "ResourceNotFoundException", "")
	requireCode(t, fails(t, a.acm.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: new("arn:aws:acm:x")}), "InvalidArnException", "")
	requireCode(t, fails(t, a.acm.ListCertificates, &acm.ListCertificatesInput{MaxItems: new(int32(1001))}), "ValidationException", "")
	requireCode(t, fails(t, a.acm.ListCertificates, &acm.ListCertificatesInput{NextToken: new("?")}), "ValidationException", "")
	a.Inject(awssim.Fault{Service: "acm", Times: 1, Throttle: true})
	requireCode(t, fails(t, a.acm.ListCertificates, nil), "ThrottlingException", "")
	last := a.Calls()[len(a.Calls())-1]
	require.Equal(t, "ListCertificates", last.Action)
}

func TestSummariesHaveAHundredNames(t *testing.T) {
	a := open(t, awssim.Options{})
	var names []string
	for i := range 101 {
		names = append(names, fmt.Sprintf("h%d.example.com", i))
	}
	a.certificate(t, awssim.Certificate{Names: names})
	c := do(t, a.acm.ListCertificates, nil).CertificateSummaryList[0]
	require.Len(t, c.SubjectAlternativeNameSummaries, 100)
	require.True(t, *c.HasAdditionalSubjectAlternativeNames)
}

const otherAccount = "210987654321"

// assumed is a client that acts with the credentials of a role.
func (a account) assumed(t *testing.T, role, externalID string) *elb.Client {
	t.Helper()
	provider := stscreds.NewAssumeRoleProvider(a.sts, role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "tgsync"
		if externalID != "" {
			o.ExternalID = &externalID
		}
	})
	return elb.NewFromConfig(aws.Config{
		Region: region, Credentials: aws.NewCredentialsCache(provider), HTTPClient: &http.Client{Transport: a.Transport()}, BaseEndpoint: new("http://aws.test"),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	})
}

func TestRolesOfOtherAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{})
		_, err := a.AddAccount(awssim.Options{})
		require.Error(t, err, "no number")
		other, err := a.AddAccount(awssim.Options{AccountID: otherAccount, VPCs: []awssim.VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}}}})
		require.NoError(t, err)
		_, err = a.AddAccount(awssim.Options{AccountID: otherAccount})
		require.Error(t, err, "taken")
		require.Same(t, other, a.Account(otherAccount))
		require.Same(t, a.Sim, other.Account("123456789012"))
		role := other.SetRole(awssim.Role{Name: "targets", ExternalID: "secret"})
		require.Equal(t, "arn:aws:iam::210987654321:role/targets", role)

		client := a.assumed(t, role, "secret")
		mine, theirs := a.group(t, "echo"), do(t, client.CreateTargetGroup, newGroup("echo")).TargetGroups[0].TargetGroupArn
		require.Contains(t, *theirs, ":210987654321:targetgroup/echo/")
		require.NotEqual(t, (*mine)[len(*mine)-16:], (*theirs)[len(*theirs)-16:])
		require.Len(t, do(t, client.DescribeTargetGroups, nil).TargetGroups, 1, "a namespace of its own")
		require.Len(t, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups, 1)
		require.Equal(t, []string{"OK"}, codes(a, "AssumeRole"))
		require.Len(t, other.Calls(), 2, "what an account did is recorded there")

		for name, refused := range map[string]*elb.Client{
			"external ID":  a.assumed(t, role, "wrong"),
			"none":         a.assumed(t, role, ""),
			"unknown role": a.assumed(t, role+"x", "secret"),
			"no account":   a.assumed(t, "arn:aws:iam::000000000000:role/targets", ""),
		} {
			_, err := refused.DescribeTargetGroups(t.Context(), nil)
			require.ErrorContains(t, err, "AccessDenied", name)
		}
		_, err = a.assumed(t, "role", "").DescribeTargetGroups(t.Context(), nil)
		require.ErrorContains(t, err, "ValidationError")

		other.SetRole(awssim.Role{Name: "targets", ExternalID: "secret", Denied: true})
		do(t, client.DescribeTargetGroups, nil) // With the credentials that it has.
		time.Sleep(time.Hour)
		_, err = client.DescribeTargetGroups(t.Context(), nil)
		require.ErrorContains(t, err, "AccessDenied")
	})
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{})
		other, err := a.AddAccount(awssim.Options{AccountID: otherAccount})
		require.NoError(t, err)
		role := other.SetRole(awssim.Role{Name: "r"})
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("me"), DurationSeconds: new(int32(900))}
		got := do(t, a.sts.AssumeRole, in)
		require.Equal(t, "arn:aws:sts::210987654321:assumed-role/r/me", *got.AssumedRoleUser.Arn)
		with := func(token string) *sts.Client {
			return sts.NewFromConfig(aws.Config{
				Region: region, HTTPClient: &http.Client{Transport: a.Transport()}, BaseEndpoint: new("http://aws.test"),
				Credentials: aws.CredentialsProviderFunc(func(_ context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: *got.Credentials.AccessKeyId, SecretAccessKey: "s", SessionToken: token}, nil
				}),
			})
		}
		me := do(t, with(*got.Credentials.SessionToken).GetCallerIdentity, nil)
		require.Equal(t, otherAccount, *me.Account)
		require.Equal(t, *got.AssumedRoleUser.Arn, *me.Arn)
		require.Equal(t, "arn:aws:iam::123456789012:user/AKID", *do(t, a.sts.GetCallerIdentity, nil).Arn)
		requireCode(t, fails(t, with("stolen").GetCallerIdentity, nil), "InvalidClientTokenId", "")
		requireCode(t, fails(t, with("").GetCallerIdentity, nil), "InvalidClientTokenId", "")
		time.Sleep(15 * time.Minute)
		requireCode(t, fails(t, with(*got.Credentials.SessionToken).GetCallerIdentity, nil), "ExpiredToken", "")

		look := clients(a.Sim, &http.Client{Transport: a.Transport()}, "http://aws.test", awssim.ObserverOf(otherAccount))
		require.Equal(t, otherAccount, *do(t, look.sts.GetCallerIdentity, nil).Account)
		nobody := clients(a.Sim, &http.Client{Transport: a.Transport()}, "http://aws.test", awssim.ObserverOf("000000000000"))
		requireCode(t, fails(t, nobody.sts.GetCallerIdentity, nil), "InvalidClientTokenId", "")
	})
}
